// Package postgres keeps channels and runs in Postgres. Claims are compared by Postgres's clock, facts are stamped by ours.
package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidemark/tidemark/kit/pg"
	"github.com/tidemark/tidemark/services/scheduler/internal/plan"
	"github.com/tidemark/tidemark/services/scheduler/internal/postgres/db"
)

// Schema is the Postgres schema that this service alone writes; River's tables are in it, too.
const Schema = "scheduler"

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the schema's files.
func Migrations() fs.FS {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the name is embedded above
	}
	return files
}

// Job names a job to queue: one per channel and epoch.
type Job struct {
	Channel plan.ChannelID
	Epoch   int64
}

// Queue queues jobs in a transaction.
type Queue func(ctx context.Context, tx pgx.Tx, jobs []Job) error

// Store keeps channels and runs; it is a plan.Store.
type Store struct {
	pool  *pgxpool.Pool
	queue Queue
}

var _ plan.Store = (*Store)(nil)

// New makes a store on a migrated database.
func New(pool *pgxpool.Pool, queue Queue) *Store { return &Store{pool, queue} }

// Due is plan.Store's.
func (s *Store) Due(ctx context.Context, now time.Time, limit int) ([]plan.Channel, error) {
	var rows []db.SchedulerChannel
	err := pg.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		q := db.New(tx)
		forsaken, err := q.ForsakenRuns(ctx)
		if err == nil {
			err = lose(ctx, q, forsaken, now)
		}
		if err != nil {
			return err
		}
		rows, err = q.DueChannels(ctx, db.DueChannelsParams{Now: now, Most: int32(limit)})
		return err
	})
	channels := toChannels(rows)
	if err == nil {
		err = s.rereads(ctx, channels)
	}
	return channels, failed("find due channels", err)
}

// rereads fills in what is to be read again.
func (s *Store) rereads(ctx context.Context, channels []plan.Channel) error {
	ids, at := make([]int64, len(channels)), make(map[int64]*plan.Channel, len(channels))
	for i := range channels {
		ids[i] = int64(channels[i].ID)
		at[ids[i]] = &channels[i]
	}
	rows, err := db.New(s.pool).Rereads(ctx, ids)
	for _, r := range rows {
		c := at[r.ChannelID]
		c.Rereads = append(c.Rereads, plan.Reread{Rung: int(r.Rung), After: r.AfterID, Target: r.TargetID, Due: r.DueAt, Version: r.Version})
	}
	return err
}

// Settle is plan.Store's.
func (s *Store) Settle(ctx context.Context, next []plan.Next) error {
	if len(next) == 0 {
		return nil
	}
	return failed("settle channels", pg.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		rows, err := db.New(tx).SettleChannels(ctx, settleParams(next))
		if err != nil {
			return err
		}
		queued := map[plan.ChannelID]bool{}
		for _, n := range next {
			queued[n.Channel] = n.Queue
		}
		var jobs []Job
		for _, r := range rows {
			if queued[plan.ChannelID(r.ChannelID)] {
				jobs = append(jobs, Job{plan.ChannelID(r.ChannelID), r.Epoch})
			}
		}
		if len(jobs) == 0 {
			return nil
		}
		return s.queue(ctx, tx, jobs)
	}))
}

// Claim is plan.Store's.
func (s *Store) Claim(ctx context.Context, channel plan.ChannelID, owner string, ttl time.Duration) (plan.Channel, error) {
	q := db.New(s.pool)
	row, err := q.ClaimChannel(ctx, db.ClaimChannelParams{ChannelID: int64(channel), Owner: owner, TtlMs: ttl.Milliseconds()})
	if err == nil {
		claimed := []plan.Channel{toChannel(row)}
		err = s.rereads(ctx, claimed)
		return claimed[0], failed("read what is to be read again", err)
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return plan.Channel{}, failed("claim a channel", err)
	}
	got, err := q.GetChannel(ctx, int64(channel))
	if err != nil || got.State == string(plan.Paused) {
		return plan.Channel{}, failed("claim a channel", errors.Join(err, plan.ErrUnknown))
	}
	return plan.Channel{}, plan.ErrTaken
}

// Renew is plan.Store's.
func (s *Store) Renew(ctx context.Context, channel plan.ChannelID, owner string, ttl time.Duration) error {
	n, err := db.New(s.pool).RenewClaim(ctx, db.RenewClaimParams{ChannelID: int64(channel), Owner: owner, TtlMs: ttl.Milliseconds()})
	return taken("renew a claim", n, err)
}

// Release is plan.Store's.
func (s *Store) Release(ctx context.Context, owner string, next plan.Next) error {
	return failed("release a claim", pg.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		q := db.New(tx)
		n, err := q.ReleaseClaim(ctx, db.ReleaseClaimParams{
			ChannelID: int64(next.Channel), Owner: owner, State: string(next.State), Reason: next.Reason, NextRunAt: next.At, Failures: int32(next.Failures),
			CheckedAt: present(next.Checked), AdvancedAt: present(next.Advanced), Pts: next.Pts, PtsTop: next.PtsTop,
		})
		if err == nil && n == 0 {
			return plan.ErrTaken
		} else if err != nil || len(next.Rereads) == 0 {
			return err
		}
		return each(q.SaveReread(ctx, rereadParams(next)))
	}))
}

// each runs a batch and answers its first error.
func each(batch *db.SaveRereadBatchResults) (first error) {
	batch.Exec(func(_ int, err error) {
		if first == nil {
			first = err
		}
	})
	return first
}

// Ask is plan.Store's.
func (s *Store) Ask(ctx context.Context, channel plan.ChannelID, ids plan.Range, now time.Time) (waits plan.Range, err error) {
	err = pg.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		q := db.New(tx)
		if _, err := q.GetChannel(ctx, int64(channel)); err != nil {
			return err
		}
		r := plan.Asked(ids, now)
		row, err := q.AskReread(ctx, db.AskRereadParams{ChannelID: int64(channel), AfterID: r.After, TargetID: r.Target, DueAt: r.Due})
		waits = plan.Range{First: row.AfterID + 1, Last: row.TargetID}
		return err
	})
	return waits, failed("ask to read again", err)
}

func taken(doing string, rows int64, err error) error {
	if err == nil && rows == 0 {
		return plan.ErrTaken
	}
	return failed(doing, err)
}

// failed says what we were doing; a server that does not answer is the core's ErrDown, a row that is not there its ErrUnknown.
func failed(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pgx.ErrNoRows):
		return plan.ErrUnknown
	case pg.IsUnavailable(err):
		return fmt.Errorf("%s: %w: %w", doing, plan.ErrDown, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
