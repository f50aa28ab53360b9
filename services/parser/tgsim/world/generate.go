package world

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/gotd/td/tg"
)

// Spec says what world to make up.
type Spec struct {
	Seed     uint64
	Channels int                    // 0 is 1
	Messages int                    // the highest id in each channel; the messages that exist are some percent fewer
	Sizes    []int                  // the highest ids in the first channels, where they are not all alike
	End      time.Time              // the date of the newest messages; zero is Now's
	Private  int                    // how many of the channels, the last ones, have no username
	Accounts []Account              // none is DefaultAccount
	Joined   func(channel int) bool // which channels, by place from 0, the accounts are members of; nil is all
	Names    []Channel              // the first channels' names and ids, where they matter; the rest are made up
	Now      func() time.Time       // the clock of live posts; nil is the system's
}

// firstID is the id of the first channel that is made up.
const firstID = 1_500_000_001

// New makes up a world. The same Spec, with the same End, makes the same bytes.
func New(s Spec) (*World, error) {
	w := Empty(s.Seed, s.Now, s.Accounts...)
	if s.End.IsZero() {
		s.End = w.now()
	}
	for i := range max(s.Channels, 1, len(s.Names)) {
		c := &channel{Channel: s.name(i), members: map[int64]bool{}}
		c.make = newMaker(s.Seed, c.Channel)
		if err := c.fill(c.make.history(s.size(i), int(s.End.Unix()))); err != nil {
			return nil, err
		}
		c.top = max(c.top, s.size(i))
		if len(c.messages) > 0 {
			c.Created = time.Unix(int64(c.messages[0].Date), 0).UTC()
		}
		if err := w.add(c); err != nil {
			return nil, err
		}
		if s.Joined != nil && !s.Joined(i) {
			c.members = map[int64]bool{}
		}
	}
	return w, nil
}

func (s Spec) size(i int) int {
	if i < len(s.Sizes) {
		return s.Sizes[i]
	}
	return s.Messages
}

func (s Spec) name(i int) Channel {
	if i < len(s.Names) {
		return s.Names[i]
	}
	c := Channel{ID: firstID + int64(i)*7919, Title: fmt.Sprintf("Channel %d", i+1), About: "A made-up channel", Members: 1000 * (i + 1)}
	if i < max(s.Channels, 1)-s.Private {
		c.Username = fmt.Sprintf("channel_%d", i+1)
	}
	c.Protected = i%7 == 6
	return c
}

// maker makes up a channel's messages, one after another.
type maker struct {
	*rand.Rand
	channel Channel
	lang    int
	origins []int64 // channels that posts are forwarded from
	date    int
}

func newMaker(seed uint64, c Channel) *maker {
	r := rand.New(rand.NewPCG(seed, uint64(c.ID)))
	m := &maker{Rand: r, channel: c, lang: r.IntN(len(stock))}
	for range 3 {
		m.origins = append(m.origins, 1_200_000_000+r.Int64N(100_000_000))
	}
	m.origins = append(m.origins, firstID)
	return m
}

// history makes the messages with ids up to top, the last of them at the end time.
func (m *maker) history(top, end int) []tg.MessageClass {
	var all []tg.MessageClass
	offset := 0
	for id := 1; id <= top; {
		items := m.next(id, offset, top-id+1)
		all = append(all, items...)
		id += len(items)
		offset += m.pause()
	}
	shift := 0
	if n := len(all); n > 0 {
		shift = end - m.date
	}
	for _, item := range all {
		move(item, shift)
	}
	return slices.DeleteFunc(all, func(item tg.MessageClass) bool { _, hole := item.(*tg.MessageEmpty); return hole })
}

// pause is the seconds to the next post: often none, so that dates tie.
func (m *maker) pause() int {
	switch n := m.IntN(100); {
	case n < 12:
		return 0
	case n < 50:
		return m.IntN(120)
	default:
		return m.IntN(3600)
	}
}

// move shifts the dates of a message that was dated from nought.
func move(item tg.MessageClass, by int) {
	switch item := item.(type) {
	case *tg.Message:
		item.Date += by
		if item.EditDate != 0 {
			item.EditDate += by
		}
		if item.FwdFrom.Date != 0 {
			item.FwdFrom.Date += by
			item.SetFwdFrom(item.FwdFrom)
		}
	case *tg.MessageService:
		item.Date += by
	}
}

// next is the next post with this id and date: one message, an album of as many as there is room for, or the hole of a deleted one.
func (m *maker) next(id, date, room int) []tg.MessageClass {
	m.date = date
	peer := &tg.PeerChannel{ChannelID: m.channel.ID}
	if id == 1 {
		return []tg.MessageClass{&tg.MessageService{Post: true, ID: id, PeerID: peer, Date: date,
			Action: &tg.MessageActionChannelCreate{Title: m.channel.Title}}}
	}
	switch n := m.IntN(1000); {
	case n < 30:
		return []tg.MessageClass{&tg.MessageEmpty{ID: id}}
	case n < 45:
		return []tg.MessageClass{&tg.MessageService{Post: true, Silent: n%2 == 0, ID: id, PeerID: peer, Date: date, Action: m.action(),
			ReplyTo: &tg.MessageReplyHeader{ReplyToMsgID: 1 + m.IntN(id-1)}}}
	case n < 75 && room > 1:
		return m.album(id, date, min(2+m.IntN(9), room))
	}
	return []tg.MessageClass{m.post(id, date)}
}

func (m *maker) action() tg.MessageActionClass {
	switch m.IntN(4) {
	case 0:
		return &tg.MessageActionChatEditTitle{Title: m.channel.Title}
	case 1:
		return &tg.MessageActionChatEditPhoto{Photo: m.photo()}
	case 2:
		return &tg.MessageActionSetMessagesTTL{Period: 2_678_400}
	default:
		return &tg.MessageActionPinMessage{}
	}
}

func (m *maker) album(id, date, size int) []tg.MessageClass {
	group := m.Int64()
	caption := m.IntN(size)
	all := make([]tg.MessageClass, size)
	for i := range all {
		post := m.post(id+i, date)
		post.GroupedID, post.FwdFrom = group, tg.MessageFwdHeader{}
		post.Media = m.visual()
		if i != caption {
			post.Message, post.Entities, post.Replies = "", nil, tg.MessageReplies{}
		}
		all[i] = post
	}
	return all
}
