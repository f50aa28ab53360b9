package ingest

import (
	"cmp"
	"encoding/binary"
	"slices"
	"time"
)

// Known is what the store remembers of a post, as far as deciding needs it.
type Known struct {
	Message   MessageID
	Revision  int32
	Content   Hash
	Counters  int64
	PostedAt  time.Time
	EditedAt  time.Time
	ReadAt    time.Time // when what is stored was read
	IsDeleted bool

	FirstSeenAt time.Time
}

// Change is what to write.
type Change struct {
	Posts   []Stored    // whole rows, new and changed; revisions and instants are set
	Deleted []MessageID // to be marked as gone
	Events  []Event     // one per new revision, deletion or quarantined message, ascending by message
	Saved   Saved

	Restarted bool // nothing is to be written: ErrRestarted
}

// Stored is a post with the hashes that tell later whether it changed.
type Stored struct {
	Post
	Content  Hash
	Counters int64
	Kind     Kind // Created, or Edited: what is stored before is to be kept as a revision; empty when only counters changed
}

// Decide compares a page with what is known of its ids, and of all stored posts in page.Covered. It cleans the page: texts may hold
// what no database takes, and what cannot be read may be as large as an answer. now is when the change is recorded.
//
// What was read before what is stored, or edited before, is an older copy and changes nothing. A post that was published at another time is
// another message: the channel's ids began anew, see Page.Again. A stored post that the page proves not to
// exist is gone; ids are never given out twice, so this holds however old the page is.
func Decide(channel ChannelID, page Page, known []Known, strikes Strikes, now time.Time) Change {
	readAt := page.ReadAt
	if readAt.IsZero() {
		readAt = now
	}
	readAt = readAt.Truncate(time.Microsecond) // as Postgres keeps it
	by := make(map[MessageID]*Known, len(known))
	for i := range known {
		by[known[i].Message] = &known[i]
	}
	c := Change{Posts: make([]Stored, 0, len(page.Posts))}
	seen := make(map[MessageID]bool, len(known))
	var buf []byte
	for i := range page.Posts {
		p := &page.Posts[i]
		if i > 0 && p.Message == page.Posts[i-1].Message {
			continue
		}
		p.Channel = channel
		p.clean()
		s := Stored{Post: *p}
		buf = p.appendContent(buf[:0])
		s.Content = hashOf(buf)
		buf = p.appendCounters(buf[:0])
		sum := hashOf(buf)
		s.Counters = int64(binary.LittleEndian.Uint64(sum[:]))
		c.judge(s, by[p.Message], readAt, page.Again, strikes[p.Message] >= enough)
		if len(known) > 0 {
			seen[p.Message] = true
		}
	}
	for i := range page.Unreadable {
		u := &page.Unreadable[i]
		u.clean()
		for _, k := range known {
			seen[k.Message] = seen[k.Message] || u.IDs().Contains(k.Message)
		}
	}
	c.announce(channel, now)
	c.strike(channel, page.Unreadable, by, strikes, now)
	c.gone(channel, page.Covered, known, seen, now)
	return c
}

func (c *Change) judge(s Stored, k *Known, readAt time.Time, again, quarantined bool) {
	s.ChangedAt, s.FirstSeenAt = readAt, readAt
	if k != nil {
		s.FirstSeenAt = k.FirstSeenAt
	}
	switch {
	case k == nil:
		s.Kind, s.Revision = Created, 1
		c.Saved.New++
	case readAt.Before(k.ReadAt):
		return
	case !k.PostedAt.Equal(s.PostedAt): // another message, of a history that began anew
		s.Kind, s.Revision, s.FirstSeenAt = Edited, k.Revision+1, readAt
		c.Saved.Changed++
		c.Restarted = c.Restarted || again
	case s.EditedAt.Before(k.EditedAt):
		return
	case k.Content != s.Content || k.IsDeleted || quarantined: // who was told of the quarantine is told of its end
		s.Kind, s.Revision = Edited, k.Revision+1
		c.Saved.Changed++
	case k.Counters != s.Counters:
		s.Revision = k.Revision
	default:
		return
	}
	c.Posts = append(c.Posts, s)
}

// announce makes the events of new and changed posts.
func (c *Change) announce(channel ChannelID, now time.Time) {
	c.Events = make([]Event, 0, len(c.Posts))
	for i := range c.Posts {
		if s := &c.Posts[i]; s.Kind != "" {
			c.Events = append(c.Events, Event{Channel: channel, Message: s.Message, Revision: s.Revision, Kind: s.Kind, RecordedAt: now, Post: &s.Post, Content: s.Content})
		}
	}
}

// gone finds the stored posts that the page proves not to exist any more.
func (c *Change) gone(channel ChannelID, covered Range, known []Known, seen map[MessageID]bool, now time.Time) {
	for _, k := range known {
		if covered.Contains(k.Message) && !k.IsDeleted && !seen[k.Message] {
			c.Deleted = append(c.Deleted, k.Message)
			c.Events = append(c.Events, Event{Channel: channel, Message: k.Message, Revision: k.Revision, Kind: Deleted, RecordedAt: now})
		}
	}
	if c.Saved.Deleted = len(c.Deleted); c.Saved.Deleted+c.Saved.Quarantined > 0 {
		slices.SortStableFunc(c.Events, func(a, b Event) int { return cmp.Compare(a.Message, b.Message) })
	}
}
