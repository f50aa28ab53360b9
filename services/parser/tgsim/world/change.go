package world

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gotd/td/tg"
)

// Draft is a post to be made; an empty one is made up, of the same kinds as the history.
type Draft struct {
	Text     string                  `json:"text"`
	Entities []tg.MessageEntityClass `json:"-"`
	Media    tg.MessageMediaClass    `json:"-"`
	ReplyTo  int                     `json:"reply_to,omitempty"`
	Author   string                  `json:"author,omitempty"`
	Silent   bool                    `json:"silent,omitempty"`
}

// Post publishes a message now and answers its id. The channel is named by username or id, here as in all operations.
func (w *World) Post(ref string, d Draft) (id int, err error) {
	err = w.change(ref, func(c *channel) error {
		id = c.top + 1
		m := d.message(id, w.date(c), c.ID)
		if d.empty() {
			m = w.maker(c).post(id, w.date(c))
		}
		return w.publish(c, m)
	})
	return id, err
}

func (d Draft) empty() bool { return d.Text == "" && d.Media == nil }

func (d Draft) message(id, date int, channel int64) *tg.Message {
	m := &tg.Message{Post: true, Silent: d.Silent, ID: id, PeerID: &tg.PeerChannel{ChannelID: channel}, Date: date,
		Message: d.Text, Entities: d.Entities, Media: d.Media, PostAuthor: d.Author, Views: 1}
	if d.ReplyTo > 0 {
		m.ReplyTo = &tg.MessageReplyHeader{ReplyToMsgID: d.ReplyTo}
	}
	return m
}

// Grow gives away n ids now, as the history does: posts and albums, but also service messages and posts that are already deleted.
func (w *World) Grow(ref string, n int) (first, last int, err error) {
	err = w.change(ref, func(c *channel) error {
		first = c.top + 1
		for c.top < first+n-1 {
			for _, m := range w.maker(c).next(c.top+1, w.date(c), first+n-1-c.top) {
				if err := w.publish(c, m); err != nil {
					return err
				}
			}
		}
		last = c.top
		return nil
	})
	return first, last, err
}

// maker goes on where the history ended, or starts for a channel whose history was loaded.
func (w *World) maker(c *channel) *maker {
	if c.make == nil {
		c.make = newMaker(w.seed, c.Channel)
	}
	return c.make
}

// Live publishes a made-up post every so often, in the channels in turn (none is all), until ctx ends.
func (w *World) Live(ctx context.Context, every time.Duration, refs ...string) error {
	if len(refs) == 0 {
		for _, id := range w.Channels() {
			refs = append(refs, strconv.FormatInt(id, 10))
		}
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if _, err := w.Post(refs[i%len(refs)], Draft{}); err != nil {
				return fmt.Errorf("live post: %w", err)
			}
		}
	}
}

// Edit replaces the text of a post, and with it its entities. The date of an edit never goes back: made-up posts may bear one that is still to come.
func (w *World) Edit(ref string, id int, text string) error {
	return w.Touch(ref, id, func(m *tg.Message) {
		m.Message, m.Entities, m.EditDate, m.EditHide = text, nil, max(int(w.now().Unix()), m.EditDate), false
	})
}

// Touch changes a post in any way; only fn says whether it bears the mark of an edit.
func (w *World) Touch(ref string, id int, fn func(*tg.Message)) error {
	return w.change(ref, func(c *channel) error {
		old := c.get(id)
		if old == nil {
			return fmt.Errorf("edit %d: %w", id, ErrMissing)
		}
		m, err := old.Decode()
		if err != nil {
			return fmt.Errorf("edit %d: %w", id, err)
		}
		post, ok := m.(*tg.Message)
		if !ok {
			return fmt.Errorf("edit %d: %w", id, errService)
		}
		fn(post)
		made, err := encode(post)
		if err != nil {
			return err
		}
		c.messages[c.at(id)] = made
		c.events = append(c.events, event{Edited, id})
		w.tell(Event{Kind: Edited, Message: made, IDs: []int{id}, Count: 1}, c)
		return nil
	})
}

// Delete removes messages; those that do not exist are passed over. It answers how many it removed.
func (w *World) Delete(ref string, ids ...int) (removed int, err error) {
	err = w.change(ref, func(c *channel) error {
		removed = w.remove(c, ids)
		return nil
	})
	return removed, err
}

// Clear removes all messages of a channel, but not its creation.
func (w *World) Clear(ref string) error {
	return w.change(ref, func(c *channel) error {
		var ids []int
		for _, m := range c.messages {
			if m.ID > 1 {
				ids = append(ids, m.ID)
			}
		}
		w.remove(c, ids)
		return nil
	})
}

// Restart empties a channel and begins its ids and its pts anew, which Telegram is not known to do.
func (w *World) Restart(ref string) error {
	return w.change(ref, func(c *channel) error {
		c.messages, c.events, c.top = nil, nil, 0
		return nil
	})
}

func (w *World) remove(c *channel, ids []int) int {
	var gone []int
	for _, id := range ids {
		if c.get(id) != nil && !slices.Contains(gone, id) {
			gone = append(gone, id)
			c.events = append(c.events, event{Deleted, id})
		}
	}
	if len(gone) == 0 {
		return 0
	}
	dead := make(map[int]bool, len(gone))
	for _, id := range gone {
		dead[id] = true
	}
	c.messages = slices.DeleteFunc(slices.Clone(c.messages), func(m *Message) bool { return dead[m.ID] })
	w.tell(Event{Kind: Deleted, IDs: gone, Count: len(gone)}, c)
	return len(gone)
}

// MakePrivate takes the username away and shuts every account out: to all of them the channel is CHANNEL_PRIVATE from now on.
func (w *World) MakePrivate(ref string) error {
	return w.change(ref, func(c *channel) error {
		out := c.memberIDs()
		delete(w.byName, strings.ToLower(c.Username))
		c.Username, c.members = "", map[int64]bool{}
		w.tell(Event{Kind: Closed, Members: out}, c)
		return nil
	})
}

// Rename gives a channel another username; a private one becomes public. An empty one only takes it away: members keep reading.
func (w *World) Rename(ref, username string) error {
	return w.change(ref, func(c *channel) error {
		name := strings.ToLower(username)
		if have := w.byName[name]; have != nil && have != c {
			return fmt.Errorf("rename to %q: %w", username, ErrTaken)
		}
		delete(w.byName, strings.ToLower(c.Username))
		if c.Username = username; name != "" {
			w.byName[name] = c
		}
		return nil
	})
}

// Join makes the account of a phone a member: it sees a private channel, and gets live updates.
func (w *World) Join(ref, phone string) error { return w.member(ref, phone, true) }

// Leave is the end of Join.
func (w *World) Leave(ref, phone string) error { return w.member(ref, phone, false) }

func (w *World) member(ref, phone string, in bool) error {
	a, ok := w.ByPhone(phone)
	if !ok {
		return ErrAccount
	}
	return w.change(ref, func(c *channel) error {
		if delete(c.members, a.ID); in {
			c.members[a.ID] = true
		}
		return nil
	})
}

func (w *World) change(ref string, fn func(*channel) error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, err := w.find(ref)
	if err != nil {
		return err
	}
	return fn(c)
}

// publish appends one message, or the gap of a messageEmpty.
func (w *World) publish(c *channel, m tg.MessageClass) error {
	made, err := encode(m)
	if err != nil {
		return err
	}
	if m.GetID() <= c.top {
		return errors.New("ids must rise")
	}
	c.top = m.GetID()
	if made == nil {
		return nil
	}
	c.messages = append(c.messages, made)
	c.events = append(c.events, event{Posted, made.ID})
	w.tell(Event{Kind: Posted, Message: made, IDs: []int{made.ID}, Count: 1}, c)
	return nil
}

// date is now, but never before the newest message.
func (w *World) date(c *channel) int {
	date := int(w.now().Unix())
	if n := len(c.messages); n > 0 {
		date = max(date, c.messages[n-1].Date)
	}
	return date
}
