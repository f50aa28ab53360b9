package tgsim

import (
	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"github.com/tidemark/tidemark/services/parser/tgsim/world"
)

const (
	pollAfter       = 30 // seconds until a client should ask for a channel's difference again
	maxChannelDiffs = 100_000
)

func (c *call) getChannelDifference() error {
	var r tg.UpdatesGetChannelDifferenceRequest
	if err := c.decode(&r); err != nil {
		return err
	}
	id, hash, err := c.channelOf(r.Channel)
	if err != nil {
		return err
	}
	if r.Pts <= 0 || r.Limit <= 0 {
		return tgerr.New(400, "PERSISTENT_TIMESTAMP_EMPTY")
	}
	d, err := c.world.Since(c.account, id, hash, r.Pts, min(r.Limit, maxChannelDiffs))
	switch {
	case err != nil:
		return err
	case d.TooLong:
		return c.tooLong(d)
	case d.Pts == r.Pts:
		answer := &tg.UpdatesChannelDifferenceEmpty{Final: true, Pts: d.Pts}
		answer.SetTimeout(pollAfter)
		return answer.Encode(c.out)
	}
	return c.difference(d)
}

func (c *call) tooLong(d world.Difference) error {
	c.out.PutID(tg.UpdatesChannelDifferenceTooLongTypeID)
	if err := c.finality(true); err != nil {
		return err
	}
	c.out.PutInt(pollAfter)
	if err := dialog(d.View).Encode(c.out); err != nil {
		return err
	}
	if err := c.messages(d.ID, d.New, nil); err != nil {
		return err
	}
	return c.people(d.View, d.New)
}

func (c *call) difference(d world.Difference) error {
	c.out.PutID(tg.UpdatesChannelDifferenceTypeID)
	if err := c.finality(d.Final); err != nil {
		return err
	}
	c.out.PutInt(d.Pts)
	c.out.PutInt(pollAfter)
	if err := c.messages(d.ID, d.New, nil); err != nil {
		return err
	}
	others := len(d.Edited)
	if len(d.Deleted) > 0 {
		others++
	}
	c.out.PutVectorHeader(others)
	for _, m := range d.Edited {
		changed(c.out, tg.UpdateEditChannelMessageTypeID, m, d.Pts, 1)
	}
	if len(d.Deleted) > 0 {
		gone := &tg.UpdateDeleteChannelMessages{ChannelID: d.ID, Messages: d.Deleted, Pts: d.Pts, PtsCount: len(d.Deleted)}
		if err := gone.Encode(c.out); err != nil {
			return err
		}
	}
	return c.people(d.View, append(d.New, d.Edited...))
}

// finality writes the flags of a difference that comes with a timeout.
func (c *call) finality(final bool) error {
	var flags bin.Fields
	flags.Set(1)
	if final {
		flags.Set(0)
	}
	return flags.Encode(c.out)
}

// changed writes updateNewChannelMessage or updateEditChannelMessage.
func changed(b *bin.Buffer, what uint32, m *world.Message, pts, count int) {
	b.PutID(what)
	b.Put(m.Body)
	b.PutInt(pts)
	b.PutInt(count)
}

// push tells the members of a channel what happened, on every session that takes updates.
func (s *Server) push(e world.Event) {
	for _, member := range e.Members {
		if !s.wire.Listens(member) {
			continue
		}
		v := e.View
		v.Member, v.Hash = e.Kind != world.Closed, s.world.AccessHash(member, v.ID)
		var b bin.Buffer
		if err := s.envelope(&b, e, v); err != nil {
			s.o.Log.Error("encode update", "channel", v.ID, "err", err)
			continue
		}
		s.wire.Push(member, b.Buf)
	}
}

// envelope writes updates#74ae4240 with one update in it.
func (s *Server) envelope(b *bin.Buffer, e world.Event, v world.View) error {
	b.PutID(tg.UpdatesTypeID)
	b.PutVectorHeader(1)
	var err error
	switch e.Kind {
	case world.Posted:
		changed(b, tg.UpdateNewChannelMessageTypeID, e.Message, v.Pts, e.Count)
	case world.Edited:
		changed(b, tg.UpdateEditChannelMessageTypeID, e.Message, v.Pts, e.Count)
	case world.Deleted:
		err = (&tg.UpdateDeleteChannelMessages{ChannelID: v.ID, Messages: e.IDs, Pts: v.Pts, PtsCount: e.Count}).Encode(b)
	case world.Closed:
		err = (&tg.UpdateChannel{ChannelID: v.ID}).Encode(b)
	}
	if err != nil {
		return err
	}
	b.PutVectorHeader(0) // users
	b.PutVectorHeader(1)
	if err := chat(v).Encode(b); err != nil {
		return err
	}
	b.PutInt(int(s.o.Now().Unix()))
	b.PutInt(0) // seq: out of the common sequence
	return nil
}

// updates is an envelope for updates that need nobody beside them.
func (s *Server) updates(all ...tg.UpdateClass) *tg.Updates {
	return &tg.Updates{Updates: all, Date: int(s.o.Now().Unix())}
}
