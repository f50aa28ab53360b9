package tgsim

import (
	"slices"

	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"github.com/tidemark/tidemark/services/parser/tgsim/world"
)

// getPeerDialogs answers for many channels at once. As with Telegram, one that the account may not see fails the whole batch.
func (c *call) getPeerDialogs() error {
	var r tg.MessagesGetPeerDialogsRequest
	if err := c.decode(&r); err != nil {
		return err
	}
	views := make([]world.View, 0, len(r.Peers))
	for _, peer := range r.Peers {
		dialog, ok := peer.(*tg.InputDialogPeer)
		if !ok {
			return tgerr.New(400, "PEER_ID_INVALID")
		}
		id, hash, err := c.peerOf(dialog.Peer)
		if err != nil {
			return err
		}
		v, err := c.world.Open(c.account, id, hash)
		if err != nil {
			return err
		}
		views = append(views, v)
	}
	if len(views) == 0 {
		return tgerr.New(400, "INPUT_PEERS_EMPTY")
	}
	c.out.PutID(tg.MessagesPeerDialogsTypeID)
	if err := c.dialogs(views); err != nil {
		return err
	}
	return c.getState()
}

// getDialogs lists the channels that the account is a member of, the most recently posted in first.
func (c *call) getDialogs() error {
	var r tg.MessagesGetDialogsRequest
	if err := c.decode(&r); err != nil {
		return err
	}
	all := c.world.Joined(c.account)
	rest := all
	if peer, ok := r.OffsetPeer.(*tg.InputPeerChannel); ok {
		at := slices.IndexFunc(all, func(v world.View) bool { return v.ID == peer.ChannelID })
		rest = all[at+1:]
	}
	limit := min(r.Limit, maxPage)
	if limit <= 0 {
		limit = defaultPage
	}
	if len(rest) == len(all) && len(all) <= limit {
		c.out.PutID(tg.MessagesDialogsTypeID)
		return c.dialogs(all)
	}
	c.out.PutID(tg.MessagesDialogsSliceTypeID)
	c.out.PutInt(len(all))
	return c.dialogs(rest[:min(limit, len(rest))])
}

// dialogs writes vectors of dialogs, their top messages, chats and users.
func (c *call) dialogs(views []world.View) error {
	c.out.PutVectorHeader(len(views))
	var tops []*world.Message
	var chats []tg.ChatClass
	for _, v := range views {
		if err := dialog(v).Encode(c.out); err != nil {
			return err
		}
		if chats = append(chats, chat(v)); v.Last != nil {
			tops = append(tops, v.Last)
		}
	}
	c.out.PutVectorHeader(len(tops))
	for _, m := range tops {
		c.out.Put(m.Body)
	}
	return c.vectors(chats, nil)
}

func dialog(v world.View) *tg.Dialog {
	d := &tg.Dialog{Peer: &tg.PeerChannel{ChannelID: v.ID}, TopMessage: v.Top, ReadInboxMaxID: v.Top}
	d.SetPts(v.Pts)
	return d
}
