// Package plantest holds what the scheduler is tested against: channels with a beginning and an end, a parser that reads them and a
// watermark that remembers, all in memory, with trouble on demand.
package plantest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tidemark/tidemark/services/scheduler/internal/plan"
)

// World is Telegram, the parser and the watermark at once; it is a plan.Parser and a plan.Marks.
type World struct {
	PageSize int64 // ids per page

	mu       sync.Mutex
	tops     map[plan.ChannelID]int64
	pts      map[plan.ChannelID]int64 // moves with tops, and with Edit
	gone     map[plan.ChannelID]int   // deletions that the next refresh finds
	reread   map[plan.ChannelID][]plan.Range
	restart  map[plan.ChannelID]bool
	silent   map[plan.ChannelID][]plan.Range // nothing is ever answered about these
	trouble  map[plan.ChannelID]*plan.Problem
	down     error
	hold     map[plan.ChannelID]chan struct{}
	reading  map[plan.ChannelID]int
	overlaps int
	marks    map[plan.ChannelID]plan.Mark
	tokens   map[plan.ChannelID]plan.RunID
	checks   map[plan.ChannelID]plan.Check
	slices   map[plan.ChannelID]int
	started  chan plan.ChannelID
}

var (
	_ plan.Parser = (*World)(nil)
	_ plan.Marks  = (*World)(nil)
)

// NewWorld has no channels.
func NewWorld() *World {
	return &World{
		PageSize: 10, tops: map[plan.ChannelID]int64{}, trouble: map[plan.ChannelID]*plan.Problem{}, hold: map[plan.ChannelID]chan struct{}{},
		reading: map[plan.ChannelID]int{}, marks: map[plan.ChannelID]plan.Mark{}, tokens: map[plan.ChannelID]plan.RunID{}, checks: map[plan.ChannelID]plan.Check{},
		pts: map[plan.ChannelID]int64{}, gone: map[plan.ChannelID]int{}, reread: map[plan.ChannelID][]plan.Range{}, restart: map[plan.ChannelID]bool{},
		silent: map[plan.ChannelID][]plan.Range{},
		slices: map[plan.ChannelID]int{}, started: make(chan plan.ChannelID, 1000),
	}
}

// Grow makes a channel's highest id top.
func (w *World) Grow(channel plan.ChannelID, top int64) {
	w.do(func() {
		w.pts[channel] += top - w.tops[channel]
		w.tops[channel] = top
	})
}

// Edit makes the channel's event counter move without a new id; gone are that many deletions that the next reading again finds.
func (w *World) Edit(channel plan.ChannelID, gone int) {
	w.do(func() { w.pts[channel]++; w.gone[channel] = gone })
}

// Restart makes the channel's ids begin anew, up to top: to read covered ids again is refused until the mark was rewound.
func (w *World) Restart(channel plan.ChannelID, top int64) {
	w.do(func() { w.tops[channel], w.pts[channel], w.restart[channel] = top, top, true })
}

// Silence makes the parser answer nothing about ids.
func (w *World) Silence(channel plan.ChannelID, r plan.Range) {
	w.do(func() { w.silent[channel] = append(w.silent[channel], r) })
}

// Reread are the ranges that were read again since the last call.
func (w *World) Reread(channel plan.ChannelID) (ranges []plan.Range) {
	w.do(func() { ranges = w.reread[channel]; delete(w.reread, channel) })
	return ranges
}

// Trouble makes every question about a channel end in p; nil ends it.
func (w *World) Trouble(channel plan.ChannelID, p *plan.Problem) {
	w.do(func() { w.trouble[channel] = p })
}

// Down makes every call fail; nil ends it.
func (w *World) Down(err error) { w.do(func() { w.down = err }) }

// Hold lets reads of a channel wait until release is called or they are cancelled.
func (w *World) Hold(channel plan.ChannelID) (release func()) {
	gate := make(chan struct{})
	w.do(func() { w.hold[channel] = gate })
	return func() { w.do(func() { delete(w.hold, channel) }); close(gate) }
}

// Started names channels whose reads begin.
func (w *World) Started() <-chan plan.ChannelID { return w.started }

// Overlaps is how often two reads of one channel went on at once.
func (w *World) Overlaps() (n int) { w.do(func() { n = w.overlaps }); return n }

// Mark is what the watermark holds.
func (w *World) Mark(channel plan.ChannelID) (m plan.Mark) {
	w.do(func() { m = w.marks[channel] })
	return m
}

// Checked is the last heartbeat.
func (w *World) Checked(channel plan.ChannelID) (c plan.Check) {
	w.do(func() { c = w.checks[channel] })
	return c
}

// Slices is how many reads of a channel ended well.
func (w *World) Slices(channel plan.ChannelID) (n int) {
	w.do(func() { n = w.slices[channel] })
	return n
}

// Complete is true when the channel is covered from 1 to its top.
func (w *World) Complete(channel plan.ChannelID) (yes bool) {
	w.do(func() { yes = slices.Equal(w.marks[channel].Covered, []plan.Range{{First: 1, Last: w.tops[channel]}}) })
	return yes
}

func (w *World) do(fn func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fn()
}

// Resolve knows "channel N".
func (w *World) Resolve(_ context.Context, ref string) (c plan.Channel, err error) {
	if _, err := fmt.Sscanf(ref, "channel %d", &c.ID); err != nil {
		return c, &plan.Problem{Kind: plan.Barred, Reason: "CHANNEL_NOT_FOUND", Message: "no such channel"}
	}
	c.Title = ref
	return c, nil
}

// Probe is plan.Parser's.
func (w *World) Probe(_ context.Context, channels []plan.ChannelID) (probes []plan.Probe, err error) {
	w.do(func() {
		for _, c := range channels {
			p := plan.Probe{Top: w.tops[c], Pts: w.pts[c]}
			if t := w.trouble[c]; t != nil {
				p = plan.Probe{Err: t}
			}
			probes = append(probes, p)
		}
		err = w.down
	})
	return probes, err
}

// Parse is plan.Parser's.
func (w *World) Parse(ctx context.Context, s plan.Slice) (read plan.Read, err error) {
	var gate chan struct{}
	w.do(func() {
		gate = w.hold[s.Channel]
		if w.reading[s.Channel]++; w.reading[s.Channel] > 1 {
			w.overlaps++
		}
	})
	defer w.do(func() { w.reading[s.Channel]-- })
	w.started <- s.Channel
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return read, ctx.Err()
		}
	}
	w.do(func() {
		if err = w.down; err == nil && w.trouble[s.Channel] != nil {
			err = w.trouble[s.Channel]
		}
		if err == nil && s.Mode == plan.Refresh && w.restart[s.Channel] {
			err = &plan.Problem{Kind: plan.Restarted, Reason: "HISTORY_RESTARTED", Message: "began anew"}
		}
		if err == nil {
			if read = w.read(s); len(read.Covered) == 0 {
				err = &plan.Problem{Kind: plan.Unproved, Reason: "NOTHING_PROVED", Message: "no answer"}
				return
			}
			w.slices[s.Channel]++
		}
	})
	return read, err
}

func (w *World) read(s plan.Slice) (read plan.Read) {
	left := int64(s.MaxPages) * w.PageSize
	for _, r := range s.Ranges {
		r = w.audible(s, r)
		n := min(left, r.Last-r.First+1)
		if left -= max(n, 0); n <= 0 {
			break
		}
		if s.Mode == plan.Historical {
			r.First = r.Last - n + 1
		} else {
			r.Last = r.First + n - 1
		}
		read.Covered = append(read.Covered, r)
		read.New += int(n)
		read.Top = max(read.Top, r.Last)
		if r.First == 1 {
			read.Floor = 1
		}
	}
	if s.Mode == plan.Refresh {
		w.reread[s.Channel] = append(w.reread[s.Channel], read.Covered...)
		read.Deleted = w.gone[s.Channel]
		delete(w.gone, s.Channel)
	}
	read.Messages, read.Pages = read.New, (read.New+int(w.PageSize)-1)/int(w.PageSize)
	return read
}

// audible is r up to where silence begins.
func (w *World) audible(s plan.Slice, r plan.Range) plan.Range {
	for _, x := range w.silent[s.Channel] {
		switch {
		case x.Last < r.First || r.Last < x.First:
		case s.Mode == plan.Historical:
			r.First = max(r.First, x.Last+1)
		default:
			r.Last = min(r.Last, x.First-1)
		}
	}
	return r
}

// Get is plan.Marks's.
func (w *World) Get(_ context.Context, channels []plan.ChannelID) (marks map[plan.ChannelID]plan.Mark, err error) {
	marks = map[plan.ChannelID]plan.Mark{}
	w.do(func() {
		for _, c := range channels {
			if m, ok := w.marks[c]; ok {
				marks[c] = m
			}
		}
		err = w.down
	})
	return marks, err
}

// Advance is plan.Marks's.
func (w *World) Advance(_ context.Context, a plan.Advance) (err error) {
	w.do(func() {
		if a.Run < w.tokens[a.Channel] {
			err = &plan.Problem{Kind: plan.Stale, Reason: "STALE_RUN_TOKEN", Message: "stale"}
			return
		}
		w.tokens[a.Channel] = a.Run
		m := w.marks[a.Channel]
		m.Unavailable = Merge(append(slices.Clone(m.Unavailable), a.Unavailable...))
		m.Covered = Merge(append(slices.Clone(m.Covered), a.Covered...))
		m.Top, m.Generation = max(m.Top, a.Top), max(m.Generation, 1)
		if a.Floor > 0 {
			m.Floor = a.Floor
		}
		w.marks[a.Channel] = m
	})
	return err
}

// Rewind is plan.Marks's.
func (w *World) Rewind(_ context.Context, channel plan.ChannelID, _, _ string) error {
	w.do(func() {
		w.marks[channel] = plan.Mark{Generation: w.marks[channel].Generation + 1}
		delete(w.restart, channel)
	})
	return nil
}

// Check is plan.Marks's.
func (w *World) Check(_ context.Context, checks []plan.Check) (err error) {
	w.do(func() {
		for _, c := range checks {
			w.checks[c.Channel] = c
		}
		err = w.down
	})
	return err
}

// Merge normalizes ranges.
func Merge(ranges []plan.Range) (merged []plan.Range) {
	slices.SortFunc(ranges, func(a, b plan.Range) int { return int(a.First - b.First) })
	for _, r := range ranges {
		if n := len(merged) - 1; n >= 0 && r.First <= merged[n].Last+1 {
			merged[n].Last = max(merged[n].Last, r.Last)
			continue
		}
		merged = append(merged, r)
	}
	return merged
}

// Settled polls until fn is true, with a deadline: for what other processes and Postgres do.
func Settled(ctx context.Context, fn func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !fn() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}
