package world

import "slices"

// Difference is what happened in a channel after a pts.
type Difference struct {
	View
	Pts     int // as far as this difference goes
	Final   bool
	TooLong bool // too much happened: only View and the newest messages, in New, are given
	New     []*Message
	Edited  []*Message
	Deleted []int
}

// newest is how many messages a TooLong difference comes with.
const newest = 10

// Since answers updates.getChannelDifference: at most limit events after pts.
func (w *World) Since(account, id, hash int64, pts, limit int) (Difference, error) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	c, err := w.open(account, id, hash)
	if err != nil {
		return Difference{}, err
	}
	if pts > c.pts() || pts < 0 {
		return Difference{}, ErrPts
	}
	d := Difference{View: w.view(c, account), Pts: min(c.pts(), pts+limit)}
	d.Final = d.Pts == c.pts()
	if c.pts()-pts > w.TooLong {
		d.TooLong, d.Pts, d.Final = true, c.pts(), true
		d.New = slices.Clone(c.messages[max(0, len(c.messages)-newest):])
		slices.Reverse(d.New)
		return d, nil
	}
	d.replay(c, c.events[pts:d.Pts])
	return d, nil
}

// replay sorts events out. A message appears once, as it is now; what was deleted since is only told as deleted.
func (d *Difference) replay(c *channel, events []event) {
	fresh, edited := map[int]bool{}, map[int]bool{}
	for _, e := range events {
		m := c.get(e.id)
		switch {
		case e.kind == Deleted:
			d.Deleted = append(d.Deleted, e.id)
		case m == nil:
		case e.kind == Posted:
			fresh[e.id] = true
			d.New = append(d.New, m)
		case !fresh[e.id] && !edited[e.id]:
			edited[e.id] = true
			d.Edited = append(d.Edited, m)
		}
	}
}
