package plan

import (
	"cmp"
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
	Rung         int    // with Refresh: which of the channel's rereads
}

// Decide says what of a channel is to be read. News come first, then the holes between what is covered, then what is due to be read again,
// then the rest of history. No age of anything shortens a range; created is only where a horizon in time counts back from.
func Decide(c Channel, m Mark, p Probe, now time.Time) Decision {
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
		d = c.below(m, floor, now)
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

// below is what is to be done under the head.
func (c *Channel) below(m Mark, floor int64, now time.Time) Decision {
	gaps, history := m.missing(floor)
	r := c.due(now)
	switch {
	case len(gaps) > 0:
		return Decision{Mode: CatchUp, Ranges: gaps[:min(len(gaps), maxRanges)]}
	case r != nil:
		return Decision{Mode: Refresh, Ranges: []Range{{r.After + 1, r.Target}}, Rung: r.Rung}
	case len(history) == 0:
		return Decision{Mode: Skip, State: Idle}
	case m.Floor > 0: // the bottom is known, so what is missing above it is a hole like any other
		return Decision{Mode: CatchUp, Ranges: history}
	}
	return Decision{Mode: Historical, Ranges: history}
}

// missing are the ids from floor to the head that are neither covered nor unavailable, newest first: those between what is covered, and
// those below all of it.
func (m Mark) missing(floor int64) (gaps, history []Range) {
	known := append(slices.Clone(m.Covered), m.Unavailable...)
	slices.SortFunc(known, func(a, b Range) int { return cmp.Compare(a.First, b.First) })
	next := floor
	for _, k := range known {
		if hole := (Range{next, k.First - 1}); hole.First > hole.Last {
		} else if hole.First < m.Covered[0].First {
			history = append(history, hole)
		} else {
			gaps = append(gaps, hole)
		}
		next = max(next, k.Last+1)
	}
	slices.Reverse(gaps)
	slices.Reverse(history)
	return gaps, history[:min(len(history), maxRanges)]
}
