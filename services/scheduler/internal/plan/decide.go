package plan

import (
	"slices"
	"time"
)

// maxRanges bounds the holes that one slice names.
const maxRanges = 100

// Decision is what to do with a channel now.
type Decision struct {
	Mode         Mode
	Ranges       []Range // what to read, in order
	HorizonSince time.Time
	State        State  // with Skip: Idle, Blocked, Paused or New
	Reason       string // with Skip of a blocked channel
	Floor        int64  // the bottom, when it follows from what is known; the mark is to be told
}

// Decide says what of a channel is to be read. News come first, then the holes between what is covered, then the rest of history. No age
// of anything changes the answer; created is only where a horizon in time counts back from.
func Decide(c Channel, m Mark, p Probe) Decision {
	switch {
	case c.State == Paused:
		return Decision{Mode: Skip, State: Paused}
	case p.Err != nil:
		return Decision{Mode: Skip, State: Blocked, Reason: problemOf(p.Err).Reason}
	}
	top, head := max(p.Top, m.Top), m.head()
	floor := m.Floor
	if floor == 0 {
		floor = c.Horizon.floor(top, m)
	}
	d := Decision{Mode: Skip, State: Idle}
	switch {
	case top == 0:
	case head == 0:
		d = Decision{Mode: Historical, Ranges: []Range{{floor, top}}}
	case top > head:
		d = Decision{Mode: Incremental, Ranges: []Range{{head + 1, top}}}
	default:
		d = d.below(m, floor)
	}
	if d.Mode == Historical && c.Horizon.Age > 0 {
		d.HorizonSince = c.CreatedAt.Add(-c.Horizon.Age)
	}
	if m.Floor == 0 && floor > 1 {
		d.Floor = floor
	}
	return d
}

// floor is the bottom as far as ids tell it: from then on a mark remembers it.
func (h Horizon) floor(top int64, m Mark) int64 {
	if h.Messages == 0 || top == 0 {
		return 1
	}
	if len(m.Covered) > 0 {
		return max(1, min(m.Covered[0].First, top-h.Messages+1))
	}
	return max(1, top-h.Messages+1)
}

// below is what is missing under the head.
func (d Decision) below(m Mark, floor int64) Decision {
	var holes []Range
	for i := len(m.Covered) - 1; i > 0; i-- {
		if hole := (Range{max(m.Covered[i-1].Last+1, floor), m.Covered[i].First - 1}); hole.First <= hole.Last {
			holes = append(holes, hole)
		}
	}
	lowest := m.Covered[0].First
	switch {
	case len(holes) > 0:
		return Decision{Mode: CatchUp, Ranges: slices.Clone(holes[:min(len(holes), maxRanges)])}
	case lowest <= floor:
		return d
	case m.Floor > 0: // the bottom is known, so what is missing above it is a hole like any other
		return Decision{Mode: CatchUp, Ranges: []Range{{floor, lowest - 1}}}
	}
	return Decision{Mode: Historical, Ranges: []Range{{floor, lowest - 1}}}
}
