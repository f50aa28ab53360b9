package plan

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

// Runner runs channels, slice by slice.
type Runner struct {
	Store  Store
	Parser Parser
	Marks  Marks
	Policy Policy
	Owner  string // names this process in claims
	Now    func() time.Time
	Ended  func(Run) // hears of every run that ended

	// Follow hears of every look at a channel, from its beginning: what the look does is done in the context that it answers, and what the look came to is
	// told in the end, with the error that stopped it. Nil: nobody listens.
	Follow func(ctx context.Context, channel ChannelID) (context.Context, func(Look))
}

// Work takes a channel's turn: it reads slice after slice until nothing is missing, Telegram asks to wait, something fails, or the turn is
// over; then more is true, and the channel is due: the next tick queues it behind the others, whoever lives to see it. A channel that is another worker's, paused or gone is no error, and nothing to do.
func (r Runner) Work(ctx context.Context, channel ChannelID) (more bool, err error) {
	r.Owner += "-" + rand.Text() // a worker that slept through its claim must not take its successor's for its own
	c, err := r.Store.Claim(ctx, channel, r.Owner, r.Policy.ClaimTTL)
	if errors.Is(err, ErrTaken) || errors.Is(err, ErrUnknown) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("claim channel %d: %w", channel, err)
	}
	working, stop := context.WithCancelCause(ctx)
	renewed := make(chan struct{})
	go func() { defer close(renewed); r.renew(working, stop, channel) }()
	next, more := r.turn(working, &c)
	stop(nil)
	<-renewed
	// What was found out is recorded even when we are being stopped: the claim must not outlive us.
	release, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := r.Store.Release(release, r.Owner, next); err != nil && !errors.Is(err, ErrTaken) {
		return false, fmt.Errorf("release channel %d: %w", channel, err)
	}
	return more, nil
}

// renew keeps the claim while the work goes on; losing it ends the work.
func (r Runner) renew(ctx context.Context, stop context.CancelCauseFunc, channel ChannelID) {
	tick := time.NewTicker(r.Policy.ClaimTTL / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := r.Store.Renew(ctx, channel, r.Owner, r.Policy.ClaimTTL); errors.Is(err, ErrTaken) {
			stop(ErrTaken)
			return
		}
	}
}

// turn runs slices.
func (r Runner) turn(ctx context.Context, c *Channel) (next Next, more bool) {
	defer func() { next.Pts, next.PtsTop, next.Rereads = c.Pts, c.PtsTop, c.Rereads }()
	next = Next{Channel: c.ID, State: c.State, Reason: c.Reason, Failures: c.Failures}
	for end := r.Now().Add(r.Policy.Turn); ; {
		out := r.followed(ctx, c)
		next.Checked, next.Advanced = later(next.Checked, out.checked), later(next.Advanced, out.advanced)
		now := r.Now()
		switch {
		case out.problem != nil && ctx.Err() != nil: // told to stop: nobody's failure
			next.State, next.Reason, next.At = Active, "", now
			return next, false
		case out.problem != nil:
			next.State, next.Reason, next.At = Active, "", c.after(out.problem, now)
			if out.problem.Kind.blocks() {
				next.State, next.Reason = Blocked, out.problem.Reason
			}
			next.Failures = c.failed(out.problem)
			return next, false
		case out.idle:
			next.State, next.Reason, next.At, next.Failures = Idle, "", c.regular(now), 0
			return next, false
		}
		next.State, next.Reason, next.At, next.Failures, c.Failures = Active, "", now, 0, 0
		if now.After(end) || ctx.Err() != nil {
			return next, true
		}
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
