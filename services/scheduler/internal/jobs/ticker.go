package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidemark/tidemark/services/scheduler/internal/plan"
)

// tickLock is held by the one scheduler that ticks.
const tickLock int64 = 0x7469_636b

// Ticker looks for due channels every moment, on one scheduler at a time.
type Ticker struct {
	Pool  *pgxpool.Pool
	Tick  func(ctx context.Context, now time.Time) (plan.Ticked, error)
	Every time.Duration
	Now   func() time.Time
	Log   *slog.Logger
	Ended func(plan.Ticked, error)

	once  sync.Once
	wake  chan struct{}
	mu    sync.Mutex
	began time.Time // of the tick that goes on here, zero when none does
	err   error     // of the last tick here
}

func (t *Ticker) woken() chan struct{} {
	t.once.Do(func() { t.wake = make(chan struct{}, 1) })
	return t.wake
}

// Wake makes the next tick come at once.
func (t *Ticker) Wake() {
	select {
	case t.woken() <- struct{}{}:
	default:
	}
}

// Problem is what went wrong with the last tick here, nil when it ended well, and when the one that goes on here began, zero when none does.
func (t *Ticker) Problem() (began time.Time, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.began, t.err
}

// Run ticks until ctx ends. A tick that fails is tried again at the next.
func (t *Ticker) Run(ctx context.Context) error {
	pause := time.NewTicker(t.Every)
	defer pause.Stop()
	for {
		ours, again, err := t.tick(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if ours || err != nil { // another's tick says nothing of ours
			t.ended(ctx, err)
		}
		if again && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-pause.C:
		case <-t.woken():
		}
	}
}

// tick ticks if nobody else does. More than fits into one is gone on with at once.
func (t *Ticker) tick(ctx context.Context) (ours, again bool, err error) {
	conn, err := t.Pool.Acquire(ctx)
	if err != nil {
		return false, false, fmt.Errorf("connect for a tick: %w: %w", plan.ErrDown, err)
	}
	defer conn.Release()
	if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", tickLock).Scan(&ours); err != nil || !ours {
		return false, false, err
	}
	defer func() {
		if _, err := conn.Exec(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", tickLock); err != nil {
			_ = conn.Conn().Close(context.WithoutCancel(ctx)) // a session that keeps the lock must not go back to the pool
		}
	}()
	now := t.Now()
	t.begins(now)
	did, err := t.Tick(ctx, now)
	t.Ended(did, err)
	return true, did.Due > 0, err
}

func (t *Ticker) begins(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.began = now
}

func (t *Ticker) ended(ctx context.Context, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil && (t.err == nil || t.err.Error() != err.Error()) {
		t.Log.WarnContext(ctx, "tick", "stage", "tick", "err", err)
	}
	t.began, t.err = time.Time{}, err
}
