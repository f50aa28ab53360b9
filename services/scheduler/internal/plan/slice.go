package plan

import (
	"context"
	"fmt"
	"time"
)

// result is what one slice came to: a problem, nothing to do, or something done.
type result struct {
	problem           *Problem
	idle              bool
	checked, advanced time.Time
	run               Run // without an ID when there was nothing to read
}

// Look is what one look at a channel came to, as it is told to those who follow.
type Look struct {
	Run     Run      // without an ID when there was nothing to read; its Stage is "mark", "probe", "begin", "parse" or "advance"
	Problem *Problem // what stopped it, or nil
	Told    bool     // to stop: then the problem is nobody's failure
}

// followed is a slice that somebody may follow.
func (r Runner) followed(ctx context.Context, c *Channel) result {
	if r.Follow == nil {
		return r.slice(ctx, c)
	}
	inside, done := r.Follow(ctx, c.ID)
	out := r.slice(inside, c)
	done(Look{Run: out.run, Problem: out.problem, Told: ctx.Err() != nil})
	return out
}

// slice plans one slice from the truth of now, reads it, and moves the mark after the data.
func (r Runner) slice(ctx context.Context, c *Channel) result {
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
	if c.Pts == 0 {
		c.saw(probes[0]) // before anything is read: what changes from here on shows
	}
	c.stir(m, probes[0], r.Now())
	c.look(m.head(), r.Policy.Lookback, r.Now())
	d := Decide(*c, m, probes[0], r.Now())
	if d.Mode == Skip {
		err := r.Marks.Check(ctx, []Check{{Channel: c.ID, State: Idle, Top: probes[0].Top, At: r.Now()}})
		if err != nil {
			return r.stopped(ctx, c, Run{Channel: c.ID, Mode: Skip}, "mark", err)
		}
		return result{idle: true, checked: r.Now(), run: Run{Channel: c.ID, Mode: Skip}}
	}
	run := Run{Channel: c.ID, Mode: d.Mode, StartedAt: r.Now()}
	if run.ID, err = r.Store.Begin(ctx, c.ID, d.Mode, run.StartedAt); err != nil {
		run.Stage = "begin"
		return result{problem: problemOf(fmt.Errorf("begin a run: %w", err)), run: run}
	}
	return r.read(ctx, c, m, d, run)
}

func (r Runner) read(ctx context.Context, c *Channel, m Mark, d Decision, run Run) result {
	read, err := r.parse(ctx, c, d, run)
	if err != nil {
		return r.unread(ctx, c, m, d, run, err)
	}
	run.New, run.Changed, run.Messages, run.Pages = read.New, read.Changed, read.Messages, read.Pages
	if d.Mode == Refresh { // what was covered stays so, and what was not is no news of this read
		c.refreshed(d.Rung, m, read, r.Now())
	} else if err := r.Marks.Advance(ctx, d.advance(run, m, read)); err != nil {
		return r.stopped(ctx, c, run, "advance", err)
	} else {
		run.Covered = count(read.Covered)
	}
	out := result{checked: r.Now()}
	if run.Covered > 0 {
		out.advanced = out.checked
	}
	if read.Wait > 0 {
		wait := &Problem{Kind: Flooded, Reason: read.WaitReason, Message: "Telegram asks to wait", Retry: read.Wait}
		stopped := r.stopped(ctx, c, run, "parse", wait)
		out.problem, out.run = stopped.problem, stopped.run
		return out
	}
	run.Outcome = More
	if coversAll(d.Ranges, read.Covered) {
		run.Outcome = Done
	}
	r.end(ctx, run)
	out.run = run
	if len(read.Covered) == 0 {
		out.problem, out.run.Stage = &Problem{Kind: Failed, Reason: "NO_PROGRESS", Message: "a read covered nothing"}, "parse"
	}
	return out
}

func (r Runner) parse(ctx context.Context, c *Channel, d Decision, run Run) (Read, error) {
	ctx, cancel := context.WithTimeout(ctx, r.Policy.RunTimeout)
	defer cancel()
	s := Slice{Channel: c.ID, Mode: d.Mode, Ranges: d.Ranges, MaxPages: r.Policy.SlicePages, Run: run.ID, HorizonSince: d.HorizonSince}
	for _, x := range d.Ranges { // nothing is asked for that a probe or a page has not shown to have existed
		s.KnownTop = max(s.KnownTop, x.Last)
	}
	return r.Parser.Parse(ctx, s)
}

// givenUpAfter is how many failures in a row make a hole unavailable that the source answers nothing about.
const givenUpAfter = 5

// unread judges a read that brought nothing. A history that began anew is read from the start, and a hole that nothing can be learned about is
// noted as such, so that it is not asked for again and again, and holds up nothing else.
func (r Runner) unread(ctx context.Context, c *Channel, m Mark, d Decision, run Run, err error) result {
	p := problemOf(err)
	switch {
	case p.Kind == Restarted:
		if again := r.startOver(ctx, c, m); again != nil {
			err = again
		}
	case p.Kind == Unproved && c.Failures+1 >= givenUpAfter && (d.Mode == CatchUp || d.Mode == Historical):
		given := Advance{Channel: run.Channel, Run: run.ID, Generation: m.Generation, Unavailable: []Range{d.givenUp()}}
		if again := r.Marks.Advance(ctx, given); again != nil {
			err = again
		}
	}
	return r.stopped(ctx, c, run, "parse", err)
}

// givenUp is what would have been answered first: a page. Beyond it there may be something, so the next look asks there, once.
func (d Decision) givenUp() Range {
	r := d.Ranges[0]
	if d.Mode == Historical {
		return Range{max(r.First, r.Last-recent+1), r.Last}
	}
	return Range{r.First, min(r.Last, r.First+recent-1)}
}

// startOver takes all coverage back. What of the old history is not in the new one is found gone when it is read again, so that is put down first.
func (r Runner) startOver(ctx context.Context, c *Channel, m Mark) error {
	if _, err := r.Store.Ask(ctx, c.ID, Range{1, max(m.Top, m.head())}, r.Now()); err != nil {
		return fmt.Errorf("ask to read all again: %w", err)
	}
	return r.Marks.Rewind(ctx, c.ID, m.Etag, "the channel's ids began anew")
}

func count(ranges []Range) (n int64) {
	for _, r := range ranges {
		n += r.Last - r.First + 1
	}
	return n
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
func (r Runner) stopped(ctx context.Context, c *Channel, run Run, stage string, err error) result {
	p, now := problemOf(err), r.Now()
	if run.ID == 0 && ctx.Err() == nil { // it failed before anything could be decided
		run.StartedAt = now
		run.ID, _ = r.Store.Begin(context.WithoutCancel(ctx), c.ID, run.Mode, now)
	}
	run.Reason, run.Message, run.Stage = p.Reason, p.Message, stage
	if run.ID != 0 {
		switch {
		case ctx.Err() != nil:
			run.Outcome, run.Reason, run.Message = Lost, "INTERRUPTED", "its worker was told to stop"
		case p.Kind == Flooded:
			run.Outcome, run.ResumeAt = Waiting, c.after(p, now)
		case p.Kind == Barred, p.Kind == NoReader, p.Kind == Refused:
			run.Outcome = OutBarred
		case p.Kind == Stale, p.Kind == Restarted:
			run.Outcome = Lost
		default:
			run.Outcome = OutFailed
		}
		r.end(ctx, run)
	}
	if p.Kind.blocks() {
		// A heartbeat that gets lost is followed by the next one.
		_ = r.Marks.Check(ctx, []Check{{Channel: c.ID, State: Blocked, Reason: p.Reason, At: now}})
	}
	return result{problem: p, run: run}
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
