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
	next, more := r.turn(working, c)
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
func (r Runner) turn(ctx context.Context, c Channel) (next Next, more bool) {
	next = Next{Channel: c.ID, State: c.State, Reason: c.Reason, Failures: c.Failures}
	for end := r.Now().Add(r.Policy.Turn); ; {
		out := r.slice(ctx, c)
		next.Checked, next.Advanced = later(next.Checked, out.checked), later(next.Advanced, out.advanced)
		now := r.Now()
		switch {
		case out.problem != nil && ctx.Err() != nil: // told to stop: nobody's failure
			next.State, next.Reason, next.At = Active, "", now
			return next, false
		case out.problem != nil:
			next.State, next.Reason, next.At = Active, "", c.after(out.problem, now)
			if out.problem.Kind != Failed && out.problem.Kind != Stale {
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

// result is what one slice came to: a problem, nothing to do, or something done.
type result struct {
	problem           *Problem
	idle              bool
	checked, advanced time.Time
}

// slice plans one slice from the truth of now, reads it, and moves the mark after the data.
func (r Runner) slice(ctx context.Context, c Channel) result {
	marks, err := r.Marks.Get(ctx, []ChannelID{c.ID})
	if err != nil {
		return r.stopped(ctx, c, Run{Channel: c.ID, Mode: Skip}, "mark", err)
	}
	probes, err := r.Parser.Probe(ctx, []ChannelID{c.ID})
	if err == nil {
		err = probes[0].Err
	}
	if err != nil {
		return r.stopped(ctx, c, Run{Channel: c.ID, Mode: Skip}, "probe", err)
	}
	m := marks[c.ID]
	d := Decide(c, m, probes[0])
	if d.Mode == Skip {
		err := r.Marks.Check(ctx, []Check{{Channel: c.ID, State: Idle, Top: probes[0].Top, At: r.Now()}})
		if err != nil {
			return r.stopped(ctx, c, Run{Channel: c.ID, Mode: Skip}, "mark", err)
		}
		return result{idle: true, checked: r.Now()}
	}
	run := Run{Channel: c.ID, Mode: d.Mode, StartedAt: r.Now()}
	if run.ID, err = r.Store.Begin(ctx, c.ID, d.Mode, run.StartedAt); err != nil {
		return result{problem: problemOf(fmt.Errorf("begin a run: %w", err))}
	}
	return r.read(ctx, c, m, d, run)
}

func (r Runner) read(ctx context.Context, c Channel, m Mark, d Decision, run Run) result {
	parsing, cancel := context.WithTimeout(ctx, r.Policy.RunTimeout)
	defer cancel()
	read, err := r.Parser.Parse(parsing, Slice{
		Channel: c.ID, Mode: d.Mode, Ranges: d.Ranges, MaxPages: r.Policy.SlicePages, Run: run.ID, HorizonSince: d.HorizonSince,
	})
	if err != nil {
		return r.stopped(ctx, c, run, "parse", err)
	}
	run.New, run.Changed, run.Messages, run.Pages = read.New, read.Changed, read.Messages, read.Pages
	for _, covered := range read.Covered {
		run.Covered += covered.Last - covered.First + 1
	}
	if err := r.Marks.Advance(ctx, d.advance(run, m, read)); err != nil {
		return r.stopped(ctx, c, run, "advance", err)
	}
	out := result{checked: r.Now()}
	if run.Covered > 0 {
		out.advanced = out.checked
	}
	if read.Wait > 0 {
		wait := &Problem{Kind: Flooded, Reason: read.WaitReason, Message: "Telegram asks to wait", Retry: read.Wait}
		out.problem = r.stopped(ctx, c, run, "parse", wait).problem
		return out
	}
	run.Outcome = More
	if coversAll(d.Ranges, read.Covered) {
		run.Outcome = Done
	}
	r.end(ctx, run)
	if run.Covered == 0 {
		out.problem = &Problem{Kind: Failed, Reason: "NO_PROGRESS", Message: "a read covered nothing"}
	}
	return out
}

func (d Decision) advance(run Run, m Mark, read Read) Advance {
	floor := read.Floor
	if floor == 0 {
		floor = d.Floor
	}
	return Advance{
		Channel: run.Channel, Run: run.ID, Generation: m.Generation, Covered: read.Covered, Floor: floor, Top: read.Top, HeadAt: read.HeadAt,
	}
}

// stopped closes a run with a problem, and tells the watermark of one that blocks the channel.
func (r Runner) stopped(ctx context.Context, c Channel, run Run, stage string, err error) result {
	p, now := problemOf(err), r.Now()
	if run.ID == 0 && ctx.Err() == nil { // it failed before anything could be decided
		run.StartedAt = now
		run.ID, _ = r.Store.Begin(context.WithoutCancel(ctx), c.ID, run.Mode, now)
	}
	if run.ID != 0 {
		run.Reason, run.Message, run.Stage = p.Reason, p.Message, stage
		switch {
		case ctx.Err() != nil:
			run.Outcome, run.Reason, run.Message = Lost, "INTERRUPTED", "its worker was told to stop"
		case p.Kind == Flooded:
			run.Outcome, run.ResumeAt = Waiting, c.after(p, now)
		case p.Kind == Barred, p.Kind == NoReader, p.Kind == Refused:
			run.Outcome = OutBarred
		case p.Kind == Stale:
			run.Outcome = Lost
		default:
			run.Outcome = OutFailed
		}
		r.end(ctx, run)
	}
	if p.Kind != Failed && p.Kind != Stale {
		// A heartbeat that gets lost is followed by the next one.
		_ = r.Marks.Check(ctx, []Check{{Channel: c.ID, State: Blocked, Reason: p.Reason, At: now}})
	}
	return result{problem: p}
}

// end closes a run's record, even when we are being stopped. A record that cannot be closed is closed as lost by the channel's next run.
func (r Runner) end(ctx context.Context, run Run) {
	run.FinishedAt = r.Now()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if r.Store.End(ctx, run) == nil {
		r.Ended(run)
	}
}

// coversAll is true when every range is inside one that was covered.
func coversAll(asked, covered []Range) bool {
	for _, a := range asked {
		inside := false
		for _, c := range covered {
			inside = inside || c.First <= a.First && a.Last <= c.Last
		}
		if !inside {
			return false
		}
	}
	return true
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
