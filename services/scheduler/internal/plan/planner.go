package plan

import (
	"context"
	"fmt"
	"time"
)

// dueAtOnce bounds the channels of one tick; what is over comes with the next, which follows at once.
const dueAtOnce = 500

// Planner finds what is due.
type Planner struct {
	Store  Store
	Parser Parser
	Marks  Marks
}

// Ticked counts a tick.
type Ticked struct{ Due, Moved, Unmoved, Blocked int }

// Tick looks at the channels whose time has come: marks in one call, tops in one call. Unmoved channels have their check reported, moved
// ones get a job. When a whole call fails nothing is moved, and the next tick tries again.
func (p Planner) Tick(ctx context.Context, now time.Time) (t Ticked, err error) {
	channels, err := p.Store.Due(ctx, now, dueAtOnce)
	if err != nil || len(channels) == 0 {
		return t, err
	}
	ids := make([]ChannelID, len(channels))
	for i, c := range channels {
		ids[i] = c.ID
	}
	marks, err := p.Marks.Get(ctx, ids)
	if err != nil {
		return t, fmt.Errorf("read marks: %w", err)
	}
	probes, err := p.Parser.Probe(ctx, ids)
	if err != nil {
		return t, fmt.Errorf("probe channels: %w", err)
	}
	next, checks := make([]Next, 0, len(channels)), make([]Check, 0, len(channels))
	for i, c := range channels {
		n, check, moved := follow(c, marks[c.ID], probes[i], now)
		next = append(next, n)
		if !moved {
			checks = append(checks, check)
		}
		t.count(n)
	}
	if err := p.Marks.Check(ctx, checks); err != nil {
		return t, fmt.Errorf("report checks: %w", err)
	}
	return t, p.Store.Settle(ctx, next)
}

// follow is what comes of one channel's look.
func follow(c Channel, m Mark, p Probe, now time.Time) (n Next, check Check, moved bool) {
	c.stir(m, p, now)
	d := Decide(c, m, p, now)
	switch {
	case d.Mode != Skip:
		return Next{Channel: c.ID, State: Active, At: c.regular(now), Checked: now, Queue: true}, Check{}, true
	case p.Err != nil:
		problem := problemOf(p.Err)
		n = Next{Channel: c.ID, State: Blocked, Reason: problem.Reason, At: c.after(problem, now), Failures: c.failed(problem)}
		return n, Check{Channel: c.ID, State: Blocked, Reason: problem.Reason, At: now}, false
	}
	n = Next{Channel: c.ID, State: Idle, At: c.regular(now), Checked: now}
	return n, Check{Channel: c.ID, State: Idle, Top: p.Top, At: now}, false
}

func (t *Ticked) count(n Next) {
	t.Due++
	switch {
	case n.Queue:
		t.Moved++
	case n.State == Blocked:
		t.Blocked++
	default:
		t.Unmoved++
	}
}
