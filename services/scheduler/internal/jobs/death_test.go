package jobs

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidemark/tidemark/services/scheduler/internal/plan"
	"github.com/tidemark/tidemark/services/scheduler/internal/postgres"
)

// A process may die between taking a job from the queue and claiming its channel. River then thinks for minutes that the job runs, and
// gives it up after that; the channel's interval may be days. It has to be read within seconds all the same.
func TestAJobThatDiesBeforeItsClaimIsReplaced(t *testing.T) {
	h := build(t)
	h.world.Grow(1, 95)
	if _, _, err := h.store.Add(t.Context(), plan.Channel{ID: 1, Interval: 30 * 24 * time.Hour}, time.Now()); err != nil {
		t.Fatal(err)
	}
	fetched := h.fetchAndDie()
	<-fetched
	if c := h.channel(1); c.State != plan.Active {
		t.Fatalf("got %+v, want it settled with a job", c)
	}
	h.start("living")
	h.eventually("read by the living", func() bool { return h.world.Complete(1) })
}

// fetchAndDie queues a job for what is due, and takes it without ever claiming: what is left in the tables is what a SIGKILL leaves.
func (h *house) fetchAndDie() (fetched chan struct{}) {
	h.Helper()
	fetched = make(chan struct{})
	ctx, die := context.WithCancel(context.WithoutCancel(h.Context()))
	queue, err := New(h.pool, Config{Schema: postgres.Schema, Workers: 1, Longest: time.Hour, Log: slog.New(slog.DiscardHandler)},
		func(context.Context, plan.ChannelID) (bool, error) {
			close(fetched)
			<-ctx.Done() // until the test ends
			return false, nil
		})
	if err != nil {
		h.Fatal(err)
	}
	store := postgres.New(h.pool, func(ctx context.Context, tx pgx.Tx, jobs []postgres.Job) error {
		args := make([]Args, len(jobs))
		for i, j := range jobs {
			args[i] = Args{Channel: int64(j.Channel), Epoch: j.Epoch}
		}
		return queue.Insert(ctx, tx, args)
	})
	if _, err := (plan.Planner{Store: store, Parser: h.world, Marks: h.world}).Tick(h.Context(), time.Now()); err != nil {
		h.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- queue.Run(ctx) }()
	h.Cleanup(func() {
		die()
		if err := <-ended; err != nil {
			h.Errorf("the dead process's queue ended with %v", err)
		}
	})
	return fetched
}

// A process may die after the mark moved and before its run's record was closed. Nothing new comes, so no run follows to close it.
func TestARecordOfTheDeadIsClosedThoughNothingIsNew(t *testing.T) {
	h := build(t)
	h.world.Grow(1, 20)
	h.add(1)
	ctx := t.Context()
	if _, err := h.store.Claim(ctx, 1, "dead", time.Millisecond); err != nil {
		t.Fatal(err)
	}
	run, err := h.store.Begin(ctx, 1, plan.Historical, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := h.world.Advance(ctx, plan.Advance{Channel: 1, Run: run, Covered: []plan.Range{{First: 1, Last: 20}}, Floor: 1, Top: 20}); err != nil {
		t.Fatal(err)
	}
	h.start("living")
	h.eventually("closed as lost", func() bool {
		r, err := h.store.Run(ctx, run)
		return err == nil && r.Outcome == plan.Lost
	})
}
