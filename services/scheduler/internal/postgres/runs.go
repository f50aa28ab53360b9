package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidemark/tidemark/kit/pg"
	"github.com/tidemark/tidemark/services/scheduler/internal/plan"
	"github.com/tidemark/tidemark/services/scheduler/internal/postgres/db"
)

// Begin is plan.Store's.
func (s *Store) Begin(ctx context.Context, channel plan.ChannelID, mode plan.Mode, now time.Time) (id plan.RunID, err error) {
	err = pg.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		q := db.New(tx)
		if err := loseOpen(ctx, q, channel, now); err != nil {
			return err
		}
		run, err := q.BeginRun(ctx, db.BeginRunParams{ChannelID: int64(channel), Mode: string(mode), StartedAt: now})
		id = plan.RunID(run)
		return err
	})
	return id, failed("begin a run", err)
}

// loseOpen closes what a dead process left open.
func loseOpen(ctx context.Context, q *db.Queries, channel plan.ChannelID, now time.Time) error {
	open, err := q.CloseLostRuns(ctx, int64(channel))
	if err != nil {
		return err
	}
	return lose(ctx, q, open, now)
}

func lose(ctx context.Context, q *db.Queries, open []int64, now time.Time) error {
	for _, run := range open {
		n, err := q.CountEnd(ctx)
		if err != nil {
			return err
		}
		if err := q.LoseRun(ctx, db.LoseRunParams{RunID: run, FinishedAt: &now, Ended: number(n)}); err != nil {
			return err
		}
	}
	return nil
}

// End is plan.Store's.
func (s *Store) End(ctx context.Context, r plan.Run) error {
	return failed("end a run", pg.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		q := db.New(tx)
		n, err := q.CountEnd(ctx)
		if err != nil {
			return err
		}
		rows, err := q.EndRun(ctx, endParams(r, n))
		if err == nil && rows == 0 {
			return plan.ErrTaken // closed as lost by a newer run
		}
		return err
	}))
}

// Run is one run.
func (s *Store) Run(ctx context.Context, id plan.RunID) (plan.Run, error) {
	row, err := db.New(s.pool).GetRun(ctx, int64(id))
	return toRun(row), failed("read a run", err)
}

// Runs is a page of runs older than before, newest first; a zero channel and an empty outcome are all.
func (s *Store) Runs(ctx context.Context, channel plan.ChannelID, outcome plan.Outcome, before plan.RunID, limit int) ([]plan.Run, error) {
	rows, err := db.New(s.pool).ListRuns(ctx, db.ListRunsParams{Before: int64(before), ChannelID: int64(channel), Outcome: string(outcome), Most: int32(limit)})
	return toRuns(rows), failed("list runs", err)
}

// Ended are runs in the order in which they ended, behind a sequence number.
func (s *Store) Ended(ctx context.Context, channel plan.ChannelID, after int64, limit int) ([]plan.Run, error) {
	rows, err := db.New(s.pool).EndedRuns(ctx, db.EndedRunsParams{After: after, ChannelID: int64(channel), Most: int32(limit)})
	return toRuns(rows), failed("follow runs", err)
}

// LastEnd is the sequence number of the run that ended last.
func (s *Store) LastEnd(ctx context.Context) (int64, error) {
	n, err := db.New(s.pool).LastEnd(ctx)
	return n, failed("read the last end", err)
}
