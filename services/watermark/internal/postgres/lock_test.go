package postgres

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidemark/tidemark/kit/pg/pgtest"
	"github.com/tidemark/tidemark/services/watermark/internal/mark"
)

func batch(channels ...mark.ChannelID) (steps []mark.Step) {
	for _, c := range channels {
		steps = append(steps, mark.Step{Key: mark.Key{Channel: c, Stage: mark.Parse}, Covered: []mark.Range{{First: 1, Last: 1}}})
	}
	return steps
}

// waiting polls until n sessions of this database wait for a lock.
func waiting(t *testing.T, pool *pgxpool.Pool, n int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		var got int
		err := pool.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").Scan(&got)
		if err != nil {
			t.Fatal(err)
		}
		if got == n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %d sessions waiting, want %d", got, n)
		}
	}
}

// The one crossing in which making new marks inside the locking transaction ends in a deadlock: one writer waits in the middle of making its
// marks, another makes and locks the last of them and then wants the first.
func TestNewMarksOfCrossedBatchesDoNotDeadlock(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t, Schema, Migrations())
	s, ctx, now := New(pool), t.Context(), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	blocker, err := pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = blocker.Rollback(context.WithoutCancel(ctx)) }()
	if _, err := blocker.Exec(ctx, "INSERT INTO watermark.marks (channel_id, stage, covered, state, generation, version) VALUES (3, 'parse', '{}', 'active', 1, 0)"); err != nil {
		t.Fatal(err)
	}
	outcomes := make(chan error, 2)
	write := func(steps []mark.Step) {
		_, err := s.Advance(ctx, steps, now)
		outcomes <- err
	}
	go write(batch(1, 3, 5))
	waiting(t, pool, 1)
	if _, err := s.Advance(ctx, batch(5), now); err != nil {
		t.Fatal(err)
	}
	go write(batch(1, 5))
	waiting(t, pool, 2)
	if err := blocker.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-outcomes; err != nil {
			t.Errorf("a crossed batch: %v", err)
		}
	}
}
