package account

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// Patience is the longest wait that is waited inline; longer ones are a state of the account.
const Patience = 60 * time.Second

// After a wait, those who waited are let through one after the other, not all in the instant in which Telegram starts to count again.
const (
	spacing   = 50 * time.Millisecond
	maxJitter = time.Second
)

// Gate knows until when each method of each account must not be called.
type Gate struct {
	now func() time.Time

	mu      sync.Mutex
	blocked map[call]block
}

type call struct {
	account ID
	method  string
}

type block struct {
	until time.Time
	slot  time.Time // when the last of those who wait is let through
}

// FloodError is a wait that is longer than is waited inline, or longer than the caller has.
type FloodError struct {
	Account ID
	Method  string
	Wait    time.Duration
}

// Error names the method and the wait.
func (e *FloodError) Error() string {
	return fmt.Sprintf("telegram asks to wait %s with %s", e.Wait.Round(time.Second), e.Method)
}

// NewGate is a gate that stands open.
func NewGate(now func() time.Time) *Gate {
	return &Gate{now: now, blocked: map[call]block{}}
}

// Block closes the gate for a method until an instant; it never opens it earlier than was known.
func (g *Gate) Block(f Flood) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := call{f.Account, f.Method}
	if b := g.blocked[c]; f.Until.After(b.until) {
		g.blocked[c] = block{until: f.Until, slot: b.slot}
	}
}

// Remaining is how long a method must still not be called; 0 when it may be.
func (g *Gate) Remaining(id ID, method string) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return max(0, g.blocked[call{id, method}].until.Sub(g.now()))
}

// Wait returns when the method may be called, and how long that took: at once when the gate is open, after a wait when that is at most
// Patience and fits ctx's deadline, else at once with a *FloodError.
func (g *Gate) Wait(ctx context.Context, id ID, method string) (time.Duration, error) {
	started := g.now()
	for {
		remaining, wait := g.enqueue(call{id, method})
		if wait == 0 {
			return g.now().Sub(started), nil
		}
		if remaining > Patience || !fits(ctx, g.now().Add(wait)) {
			return g.now().Sub(started), &FloodError{Account: id, Method: method, Wait: remaining}
		}
		if err := sleep(ctx, wait); err != nil {
			return g.now().Sub(started), err
		}
	}
}

// enqueue tells how long the block still lasts and when our own turn comes; both 0 when the gate is open.
func (g *Gate) enqueue(c call) (remaining, wait time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	b, ok := g.blocked[c]
	now := g.now()
	if !ok || !now.Before(b.until) {
		delete(g.blocked, c)
		return 0, 0
	}
	remaining = b.until.Sub(now)
	if remaining > Patience {
		return remaining, remaining
	}
	turn := b.until.Add(rand.N(min(remaining/20, maxJitter) + 1))
	if earliest := b.slot.Add(spacing); turn.Before(earliest) {
		turn = earliest
	}
	g.blocked[c] = block{until: b.until, slot: turn}
	return remaining, turn.Sub(now)
}

func fits(ctx context.Context, at time.Time) bool {
	deadline, ok := ctx.Deadline()
	return !ok || at.Before(deadline)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
