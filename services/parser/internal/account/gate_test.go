package account

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

const history = "messages.getHistory"

func flood(id ID, method string, wait time.Duration) Flood {
	return Flood{Account: id, Method: method, Since: time.Now(), Until: time.Now().Add(wait)}
}

func TestGateIsOpenUntilTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(time.Now)
		g.Block(flood(1, history, time.Minute))
		for name, c := range map[string]call{"another account": {2, history}, "another method": {1, "messages.getDialogs"}} {
			if waited, err := g.Wait(t.Context(), c.account, c.method); waited != 0 || err != nil {
				t.Errorf("%s: got %v, %v, want to pass at once", name, waited, err)
			}
		}
	})
}

func TestGateWaitsInlineUpToPatience(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(time.Now)
		g.Block(flood(1, history, Patience))
		waited, err := g.Wait(t.Context(), 1, history)
		if err != nil || waited < Patience || waited > Patience+2*maxJitter {
			t.Errorf("got %v, %v, want a wait of about %v", waited, err, Patience)
		}
		if waited, err := g.Wait(t.Context(), 1, history); waited != 0 || err != nil {
			t.Errorf("afterwards got %v, %v, want an open gate", waited, err)
		}
	})
}

func TestGateRefusesLongWaitsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(time.Now)
		g.Block(flood(1, history, 70*time.Second))
		<-time.After(5 * time.Second)
		began := time.Now()
		_, err := g.Wait(t.Context(), 1, history)
		var f *FloodError
		if !errors.As(err, &f) || f.Wait != 65*time.Second || f.Method != history || f.Account != 1 {
			t.Errorf("got %v, want a flood of 65 s", err)
		}
		if time.Since(began) != 0 {
			t.Errorf("took %v, want no wait", time.Since(began))
		}
		<-time.After(10 * time.Second) // 55 s are left: now it is worth waiting
		if _, err := g.Wait(t.Context(), 1, history); err != nil {
			t.Errorf("got %v near the end, want to wait", err)
		}
	})
}

func TestGateRefusesWhatTheDeadlineDoesNotFit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(time.Now)
		g.Block(flood(1, history, 10*time.Second))
		ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second)
		defer cancel()
		began := time.Now()
		var f *FloodError
		if _, err := g.Wait(ctx, 1, history); !errors.As(err, &f) || time.Since(began) != 0 {
			t.Errorf("got %v after %v, want a flood at once", err, time.Since(began))
		}
	})
}

func TestGateEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(time.Now)
		g.Block(flood(1, history, 10*time.Second))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if waited, err := g.Wait(ctx, 1, history); !errors.Is(err, context.Canceled) || waited != time.Second {
			t.Errorf("got %v after %v, want canceled after 1 s", err, waited)
		}
	})
}

func TestGateLetsWaitersThroughOneByOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(time.Now)
		g.Block(flood(1, history, 10*time.Second))
		end := time.Now().Add(10 * time.Second)
		const waiters = 20
		passed := make(chan time.Time, waiters)
		for range waiters {
			go func() {
				if _, err := g.Wait(t.Context(), 1, history); err != nil {
					t.Error(err)
				}
				passed <- time.Now()
			}()
		}
		at := make([]time.Time, waiters)
		for i := range at {
			at[i] = <-passed
		}
		slices.SortFunc(at, time.Time.Compare)
		for i, when := range at {
			if when.Before(end) {
				t.Errorf("waiter %d passed %v early", i, end.Sub(when))
			}
			if i > 0 && when.Sub(at[i-1]) < spacing {
				t.Errorf("waiters %d and %d passed within %v", i-1, i, when.Sub(at[i-1]))
			}
		}
	})
}

func TestGateIsNeverOpenedEarlier(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(time.Now)
		g.Block(flood(1, history, 50*time.Second))
		g.Block(flood(1, history, 5*time.Second))
		if got := g.Remaining(1, history); got != 50*time.Second {
			t.Errorf("got %v left, want 50 s", got)
		}
	})
}

func TestGateWaitsOnWhenToldAgainMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(time.Now)
		g.Block(flood(1, history, 10*time.Second))
		time.AfterFunc(5*time.Second, func() { g.Block(flood(1, history, 20*time.Second)) })
		if waited, err := g.Wait(t.Context(), 1, history); err != nil || waited < 25*time.Second {
			t.Errorf("got %v, %v, want 25 s or more", waited, err)
		}
	})
}
