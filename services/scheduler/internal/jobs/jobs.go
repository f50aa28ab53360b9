// Package jobs joins the core to River: a job per channel that has something to read, worked on by as many workers as are allowed, on as
// many schedulers as run.
//
// River queues and hands out; it decides nothing. A job is unique per channel and epoch while it waits or runs. It is tried once: when to
// try again is the channel's next_run_at, the only owner of that question. A worker that dies is noticed by its claim, not by River.
package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"

	"github.com/tidemark/tidemark/services/scheduler/internal/plan"
)

// queueName is the queue of reading jobs.
const queueName = "read"

// Args of a job.
type Args struct {
	Channel int64 `json:"channel" river:"unique"`
	Epoch   int64 `json:"epoch"   river:"unique"`
}

// Kind names the job in River's table.
func (Args) Kind() string { return "read_channel" }

// InsertOpts says: once while it waits or runs; a finished one does not stand in the way of the next.
func (Args) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: queueName, MaxAttempts: 1, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: []rivertype.JobState{
		rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable, rivertype.JobStateRunning, rivertype.JobStateScheduled,
	}}}
}

// Work takes a channel's turn; more asks for another.
type Work func(ctx context.Context, channel plan.ChannelID) (more bool, err error)

// Config of the queue.
type Config struct {
	Schema  string
	Workers int
	Longest time.Duration // a job's turn at most; one that is silent for longer is given up
	Log     *slog.Logger
	Wake    func() // hears of channels that became due by ending their turn
}

// Queue is River on our schema.
type Queue struct{ client *river.Client[pgx.Tx] }

// New makes a queue; it works nothing until Run.
func New(pool *pgxpool.Pool, c Config, work Work) (*Queue, error) {
	workers := river.NewWorkers()
	river.AddWorker(workers, &worker{work: work, wake: c.Wake})
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		Schema: c.Schema, Workers: workers, Queues: map[string]river.QueueConfig{queueName: {MaxWorkers: c.Workers}},
		FetchCooldown: 50 * time.Millisecond, FetchPollInterval: 500 * time.Millisecond,
		JobTimeout: c.Longest, RescueStuckJobsAfter: c.Longest + time.Minute,
		CompletedJobRetentionPeriod: time.Hour, DiscardedJobRetentionPeriod: 24 * time.Hour,
		Logger: c.Log,
	})
	if err != nil {
		return nil, fmt.Errorf("make the job queue: %w", err)
	}
	return &Queue{client}, nil
}

// Run works jobs until ctx ends; running ones are told to stop and waited for.
func (q *Queue) Run(ctx context.Context) error {
	if err := q.client.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start the job queue: %w", err)
	}
	<-ctx.Done()
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := q.client.StopAndCancel(stopping); err != nil {
		return fmt.Errorf("stop the job queue: %w", err)
	}
	return nil
}

// Insert queues jobs for channels, with their epochs, in a transaction.
func (q *Queue) Insert(ctx context.Context, tx pgx.Tx, jobs []Args) error {
	params := make([]river.InsertManyParams, len(jobs))
	for i, j := range jobs {
		params[i] = river.InsertManyParams{Args: j}
	}
	_, err := q.client.InsertManyTx(ctx, tx, params)
	return err
}

// Waiting is how many jobs wait.
func Waiting(ctx context.Context, pool *pgxpool.Pool, schema string) (n int, err error) {
	err = pool.QueryRow(ctx, "SELECT count(*) FROM "+pgx.Identifier{schema, "river_job"}.Sanitize()+" WHERE state IN ('available', 'scheduled')").Scan(&n)
	return n, err
}

// Replace makes due the channels whose job was taken and came to nothing: its process died before it claimed the channel, or could not
// claim it. A job that claimed is known by the epoch, which grows when a claim ends. Without this, River's rescue would come in minutes, and
// only to give the job up. Postgres's clock decides.
func Replace(ctx context.Context, pool *pgxpool.Pool, schema string, silence time.Duration) error {
	name := func(table string) string { return pgx.Identifier{schema, table}.Sanitize() }
	_, err := pool.Exec(ctx, `UPDATE `+name("channels")+` c SET epoch = c.epoch + 1, next_run_at = least(c.next_run_at, now())
		FROM `+name("river_job")+` j
		WHERE j.kind = $1 AND j.queue = $2 AND j.state IN ('running', 'discarded') AND j.attempted_at < now() - $3::bigint * interval '1 ms'
		  AND (j.args->>'channel')::bigint = c.channel_id AND (j.args->>'epoch')::bigint = c.epoch
		  AND c.claimed_by IS NULL AND c.removed_at IS NULL AND c.state <> 'paused'`, Args{}.Kind(), queueName, silence.Milliseconds())
	if err != nil {
		return fmt.Errorf("replace jobs of the dead: %w", err)
	}
	return nil
}

// Migrate makes River's tables in our schema.
func Migrate(schema string) func(ctx context.Context, pool *pgxpool.Pool) error {
	return func(ctx context.Context, pool *pgxpool.Pool) error {
		m, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Schema: schema})
		if err != nil {
			return fmt.Errorf("the job queue's tables: %w", err)
		}
		if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
			return fmt.Errorf("the job queue's tables: %w", err)
		}
		return nil
	}
}

type worker struct {
	river.WorkerDefaults[Args]
	work Work
	wake func()
}

// Work takes the turn. A channel that wants another is due, and gets a job of its own behind the others: a snooze would be written down a
// moment after the claim was released, and who dies in between would leave a channel that nobody looks at for an interval.
func (w *worker) Work(ctx context.Context, job *river.Job[Args]) error {
	more, err := w.work(ctx, plan.ChannelID(job.Args.Channel))
	if more {
		w.wake()
	}
	return err
}
