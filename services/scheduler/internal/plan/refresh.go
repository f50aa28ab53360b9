package plan

import "time"

// Reread is a stretch of ids that were read before and are to be read again: for edits, deletions and counters, which make no new id. Its rung
// says why: 0 was asked for, the others are the steps of the lookback.
//
// A step of age A looks again at what was new when it was armed, once A has passed: so each post is read again when it is between A and 2A
// old, with three numbers per channel and step, however many posts there are.
type Reread struct {
	Rung    int
	After   int64     // ids up to here are done
	Target  int64     // ids up to here are to be read again; not above After: nothing is
	Due     time.Time // not before
	Version int64     // of the stored row; 0 for a new one
}

func (r Reread) waits() bool { return r.Target > r.After }

const (
	// recent is how many ids a page has: what is read again when only an event counter tells that something changed.
	recent = 100
	// massGone is how many deletions on one page make all of the channel be read again: its history was cleared, or somebody cleans up.
	massGone = 50
	asked    = 0 // the rung of what was asked for
)

// Asked is the reread that an operator asks for.
func Asked(r Range, now time.Time) Reread {
	return Reread{Rung: asked, After: r.First - 1, Target: r.Last, Due: now}
}

// look arms the steps of the lookback for what is new. A channel that was never looked back on starts with its newest page: what is older has
// been read just now, once.
func (c *Channel) look(head int64, ages []time.Duration, now time.Time) {
	if head == 0 {
		return
	}
	for i, age := range ages {
		r := c.reread(i + 1)
		if r == nil {
			c.Rereads = append(c.Rereads, Reread{Rung: i + 1, After: max(0, head-recent)})
			r = &c.Rereads[len(c.Rereads)-1]
		}
		if !r.waits() && head > r.After {
			r.Target, r.Due = head, now.Add(age)
		}
	}
}

func (c *Channel) reread(rung int) *Reread {
	for i := range c.Rereads {
		if c.Rereads[i].Rung == rung {
			return &c.Rereads[i]
		}
	}
	return nil
}

// due is the reread whose time has come: what was asked for first, then the youngest posts.
func (c *Channel) due(now time.Time) *Reread {
	var first *Reread
	for i := range c.Rereads {
		r := &c.Rereads[i]
		if r.waits() && !r.Due.After(now) && (first == nil || r.Rung < first.Rung) {
			first = r
		}
	}
	return first
}

// stirred is true when the channel's event counter moved by more than its ids did: something that exists was edited or deleted. It never moves
// back, unless the channel's ids began anew.
func (c *Channel) stirred(p Probe) bool {
	return p.Pts > 0 && c.Pts > 0 && (p.Pts < c.Pts || p.Pts-c.Pts != p.Top-c.PtsTop)
}

// saw notes the counter that everything read so far accounts for.
func (c *Channel) saw(p Probe) {
	if p.Pts > 0 {
		c.Pts, c.PtsTop = p.Pts, p.Top
	}
}

// stir asks for the newest page again when something that exists has changed; what is deeper comes with the lookback.
func (c *Channel) stir(m Mark, p Probe, now time.Time) {
	if head := m.head(); head > 0 && c.stirred(p) {
		c.ask(Range{max(m.Covered[0].First, min(head, p.Top)-recent+1), head}, now)
		c.saw(p)
	}
}

// refreshed notes what reading again brought.
func (c *Channel) refreshed(rung int, m Mark, read Read, now time.Time) {
	r := c.reread(rung)
	short := r.Target-r.After <= 2*recent
	for _, done := range read.Covered {
		if done.First <= r.After+1 {
			r.After = max(r.After, done.Last)
		}
	}
	if short && read.Deleted >= massGone {
		c.ask(Range{m.Covered[0].First, m.head()}, now)
	}
}

func (c *Channel) ask(r Range, now time.Time) {
	if was := c.reread(asked); was != nil {
		*was = was.join(Asked(r, now))
		return
	}
	c.Rereads = append(c.Rereads, Asked(r, now))
}

// join is both, as one stretch.
func (r Reread) join(o Reread) Reread {
	if r.waits() {
		o.After, o.Target, o.Due = min(r.After, o.After), max(r.Target, o.Target), earlier(r.Due, o.Due)
	}
	o.Version = r.Version
	return o
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
