package world

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
)

// Channel is what describes a channel to be made.
type Channel struct {
	ID        int64     `json:"id"` // bare and positive
	Title     string    `json:"title"`
	Username  string    `json:"username,omitempty"` // empty makes it private
	About     string    `json:"about,omitempty"`
	Created   time.Time `json:"created,omitzero"`
	Protected bool      `json:"protected,omitempty"` // forwarding is off
	Members   int       `json:"members,omitempty"`   // the number shown, simulated accounts aside
	Texts     []string  `json:"texts,omitempty"`     // what made-up posts say; none is a built-in stock in several languages
}

// channel is a channel with its messages; the world's lock guards it.
type channel struct {
	Channel
	messages []*Message // those that exist, by rising id
	top      int        // the highest id ever given
	events   []event    // how each unit of pts came about: pts is their number
	members  map[int64]bool
	make     *maker // of generated messages, so that Grow goes on where the history ended
}

type event struct {
	kind Kind
	id   int
}

func (c *channel) pts() int { return len(c.events) }

// Message is one revision of a message, never changed after it was made.
type Message struct {
	ID      int
	Date    int
	Service bool
	Origin  int64  // the channel it was forwarded from, 0 if none
	Via     int64  // the bot it was made with, 0 if none
	Body    []byte // its TL, boxed
}

// encode makes the revision of a TL message; nil of a messageEmpty.
func encode(m tg.MessageClass) (*Message, error) {
	made := &Message{ID: m.GetID()}
	switch m := m.(type) {
	case *tg.Message:
		made.Date = m.Date
		if from, ok := m.FwdFrom.FromID.(*tg.PeerChannel); ok {
			made.Origin = from.ChannelID
		}
		made.Via = m.ViaBotID
	case *tg.MessageService:
		made.Date, made.Service = m.Date, true
	default:
		return nil, nil
	}
	var b bin.Buffer
	if err := m.Encode(&b); err != nil {
		return nil, fmt.Errorf("encode message %d: %w", made.ID, err)
	}
	made.Body = slices.Clip(b.Buf)
	return made, nil
}

// Decode is the TL message again.
func (m *Message) Decode() (tg.MessageClass, error) {
	return tg.DecodeMessage(&bin.Buffer{Buf: m.Body})
}

// Add makes a channel with its history, which every account has joined. Ids between the messages' are deleted posts; their order does not matter.
func (w *World) Add(d Channel, history []tg.MessageClass) error {
	c := &channel{Channel: d, members: map[int64]bool{}}
	if err := c.fill(history); err != nil {
		return fmt.Errorf("channel %d: %w", d.ID, err)
	}
	return w.add(c)
}

func (c *channel) fill(history []tg.MessageClass) error {
	c.messages = make([]*Message, 0, len(history))
	for _, m := range history {
		made, err := encode(m)
		if err != nil {
			return err
		}
		if made != nil {
			c.messages = append(c.messages, made)
		}
		c.top = max(c.top, m.GetID())
	}
	slices.SortFunc(c.messages, func(a, b *Message) int { return a.ID - b.ID })
	c.messages = slices.CompactFunc(c.messages, func(a, b *Message) bool { return a.ID == b.ID })
	c.events = make([]event, 0, len(c.messages))
	for _, m := range c.messages {
		c.events = append(c.events, event{Posted, m.ID})
	}
	return nil
}

func (w *World) add(c *channel) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	name := strings.ToLower(c.Username)
	if w.byID[c.ID] != nil || name != "" && w.byName[name] != nil {
		return fmt.Errorf("channel %d: %w", c.ID, ErrTaken)
	}
	for _, a := range w.accounts {
		c.members[a.ID] = true
	}
	w.channels, w.byID[c.ID] = append(w.channels, c), c
	if name != "" {
		w.byName[name] = c
	}
	return nil
}

// at is the place of the first message with an id of at least this.
func (c *channel) at(id int) int {
	i, _ := slices.BinarySearchFunc(c.messages, id, func(m *Message, id int) int { return m.ID - id })
	return i
}

// get is the message of an id, nil if there is none.
func (c *channel) get(id int) *Message {
	if i := c.at(id); i < len(c.messages) && c.messages[i].ID == id {
		return c.messages[i]
	}
	return nil
}
