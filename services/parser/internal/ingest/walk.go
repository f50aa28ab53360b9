package ingest

import (
	"fmt"
	"time"
)

// walk knows what is left to read, and in which order. It is driven by what pages prove, before they are committed.
type walk struct {
	dir     Direction
	horizon time.Time
	left    []Range
	behind  []Range // what a page left open at the end that it was to start from: asked for again at the end
	floor   MessageID
}

// next is the range to ask for now; false when all is proved.
func (w *walk) next() (Range, bool) {
	if len(w.left) == 0 {
		w.left, w.behind = w.behind, nil
	}
	if len(w.left) == 0 {
		return Range{}, false
	}
	return w.left[0], true
}

// take moves on past what a page proves of the range asked last. A page that proves nothing would be asked for without end, so it is an error.
func (w *walk) take(p *Page) error {
	asked := w.left[0]
	proved := asked.intersect(p.Covered)
	if !p.Covered.Valid() || proved.First > proved.Last {
		return fmt.Errorf("read messages %d to %d: %w", asked.First, asked.Last, ErrUnproved)
	}
	p.Covered = proved
	ahead, behind := Range{proved.Last + 1, asked.Last}, Range{asked.First, proved.First - 1}
	if w.dir == Down {
		ahead, behind = behind, ahead
	}
	w.left = w.left[1:]
	if ahead.First <= ahead.Last {
		w.left = append([]Range{ahead}, w.left...)
	}
	if behind.First <= behind.Last {
		w.behind = append(w.behind, behind)
	}
	if w.dir == Down && !w.horizon.IsZero() && !p.Oldest.IsZero() && p.Oldest.Before(w.horizon) {
		w.stopAt(proved.First)
	}
	return nil
}

// stopAt ends the task at its horizon: nothing below id is asked for.
func (w *walk) stopAt(id MessageID) {
	w.floor = id
	w.left, w.behind = above(w.left, id), above(w.behind, id)
}

func above(ranges []Range, id MessageID) (kept []Range) {
	for _, r := range ranges {
		if r.First = max(r.First, id); r.First <= r.Last {
			kept = append(kept, r)
		}
	}
	return kept
}
