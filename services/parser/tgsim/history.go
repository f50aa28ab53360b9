package tgsim

import (
	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"github.com/tidemark/tidemark/services/parser/tgsim/world"
)

// Telegram's bounds of a page.
const (
	defaultPage = 20
	maxPage     = 100
)

func (c *call) getHistory() error {
	var r tg.MessagesGetHistoryRequest
	if err := c.decode(&r); err != nil {
		return err
	}
	id, hash, err := c.peerOf(r.Peer)
	if err != nil {
		return err
	}
	limit := min(r.Limit, maxPage)
	if limit <= 0 {
		limit = defaultPage
	}
	page, err := c.world.History(c.account, id, hash, world.Query{OffsetID: r.OffsetID, OffsetDate: r.OffsetDate, AddOffset: r.AddOffset,
		Limit: limit, MaxID: r.MaxID, MinID: r.MinID})
	if err != nil {
		return err
	}
	return c.page(page, r.OffsetID != 0 || r.OffsetDate != 0, nil)
}

func (c *call) getMessages() error {
	var r tg.ChannelsGetMessagesRequest
	if err := c.decode(&r); err != nil {
		return err
	}
	id, hash, err := c.channelOf(r.Channel)
	if err != nil {
		return err
	}
	ids := make([]int, 0, len(r.ID))
	for _, input := range r.ID {
		byID, ok := input.(*tg.InputMessageID)
		if !ok || len(ids) == maxPage {
			return tgerr.New(400, "MESSAGE_IDS_INVALID")
		}
		ids = append(ids, byID.ID)
	}
	page, err := c.world.Messages(c.account, id, hash, ids)
	if err != nil {
		return err
	}
	return c.page(page, false, ids)
}

// page writes messages.channelMessages out of the messages' ready bytes. ids are those asked for, to name the missing.
func (c *call) page(p world.Page, offset bool, ids []int) error {
	c.out.PutID(tg.MessagesChannelMessagesTypeID)
	var flags bin.Fields
	if offset {
		flags.Set(2)
	}
	if err := flags.Encode(c.out); err != nil {
		return err
	}
	c.out.PutInt(p.Pts)
	c.out.PutInt(p.Count)
	if offset {
		c.out.PutInt(p.Skipped)
	}
	if err := c.messages(p.ID, p.Messages, ids); err != nil {
		return err
	}
	c.out.PutVectorHeader(0) // topics
	return c.people(p.View, p.Messages)
}

// messages writes a vector of messages; a nil one is the empty message of its id.
func (c *call) messages(channel int64, all []*world.Message, ids []int) error {
	poisoned := c.faults.Poisoned()
	c.out.PutVectorHeader(len(all))
	for i, m := range all {
		switch {
		case m == nil:
			if err := (&tg.MessageEmpty{ID: ids[i]}).Encode(c.out); err != nil {
				return err
			}
		case poisoned != nil && poisoned(channel, m.ID):
			c.out.PutID(unknownConstructor)
			c.out.Put(m.Body[4:])
		default:
			c.out.Put(m.Body)
		}
	}
	return nil
}

// unknownConstructor is no layer's.
const unknownConstructor = 0x0badf00d

// people writes the chats and users that messages refer to: the channel itself, origins of forwards, bots.
func (c *call) people(v world.View, all []*world.Message) error {
	chats, users := []tg.ChatClass{chat(v)}, []tg.UserClass{}
	seen := map[int64]bool{v.ID: true}
	for _, m := range all {
		if m == nil {
			continue
		}
		if m.Origin != 0 && !seen[m.Origin] {
			seen[m.Origin] = true
			chats = append(chats, c.origin(m.Origin))
		}
		if m.Via != 0 && !seen[m.Via] {
			seen[m.Via] = true
			users = append(users, &tg.User{Bot: true, Min: true, ID: m.Via, FirstName: "Bot", Username: "made_with_bot"})
		}
	}
	return c.vectors(chats, users)
}

func (c *call) origin(id int64) tg.ChatClass {
	if v, ok := c.world.Origin(c.account, id); ok {
		return chat(v)
	}
	return &tg.Channel{Broadcast: true, Left: true, Min: true, ID: id, Title: "Elsewhere", Photo: &tg.ChatPhotoEmpty{}}
}

// vectors writes chats and users.
func (c *call) vectors(chats []tg.ChatClass, users []tg.UserClass) error {
	c.out.PutVectorHeader(len(chats))
	for _, ch := range chats {
		if err := ch.Encode(c.out); err != nil {
			return err
		}
	}
	c.out.PutVectorHeader(len(users))
	for _, u := range users {
		if err := u.Encode(c.out); err != nil {
			return err
		}
	}
	return nil
}

func (c *call) getMessagesViews() error {
	var r tg.MessagesGetMessagesViewsRequest
	if err := c.decode(&r); err != nil {
		return err
	}
	id, hash, err := c.peerOf(r.Peer)
	if err != nil {
		return err
	}
	page, err := c.world.Messages(c.account, id, hash, r.ID)
	if err != nil {
		return err
	}
	answer := &tg.MessagesMessageViews{Chats: []tg.ChatClass{chat(page.View)}}
	for _, m := range page.Messages {
		views, err := viewsOf(m)
		if err != nil {
			return err
		}
		answer.Views = append(answer.Views, views)
	}
	return answer.Encode(c.out)
}

func viewsOf(m *world.Message) (views tg.MessageViews, err error) {
	if m == nil || m.Service {
		return views, nil
	}
	decoded, err := m.Decode()
	if err != nil {
		return views, err
	}
	if post, ok := decoded.(*tg.Message); ok {
		views.SetViews(post.Views)
		views.SetForwards(post.Forwards)
		if replies, ok := post.GetReplies(); ok {
			views.SetReplies(replies)
		}
	}
	return views, nil
}
