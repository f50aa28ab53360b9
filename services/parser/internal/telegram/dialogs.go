package telegram

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/tidemark/tidemark/services/parser/internal/account"
	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

const (
	methodDialogs = "messages.getDialogs"
	// sweepEvery is how often an account's dialogs are looked through at most; sweeps are what brings waits of 25 seconds and more.
	sweepEvery = time.Minute
	// maxSweepPages bounds one sweep: an account can be in 1000 channels.
	maxSweepPages = 50
)

// findDialog looks for a channel among the dialogs of our accounts, and remembers every channel it meets.
func (p *Pool) findDialog(ctx context.Context, channel ingest.ChannelID) (ingest.Channel, error) {
	readers, err := p.usable(ctx)
	if err != nil {
		return ingest.Channel{}, err
	}
	slices.SortFunc(readers, func(a, b *reader) int { return p.compare(a, b, methodDialogs) })
	var first error
	for _, r := range readers {
		if err := p.sweep(ctx, r); err != nil {
			first = cmp.Or(first, err)
			continue
		}
		p.cache.forget(channel)
		if known, err := p.known(ctx, ingest.Ref{ID: channel}); err != nil || known != nil {
			return channelOf(known), err
		}
	}
	return ingest.Channel{}, cmp.Or(first, ingest.ErrNotMember)
}

// acquaint is for a channel that was followed and that no account knows any more, as after another login: the first who asks has each account's dialogs looked
// through, once, and all channels that it is a member of are known again.
func (p *Pool) acquaint(ctx context.Context, readers []*reader, channel ingest.ChannelID) ([]account.Peer, error) {
	for _, r := range readers {
		r.sweeping.Lock()
		var err error
		if r.sweptAt.Load() == 0 {
			err = p.sweep(ctx, r)
		}
		r.sweeping.Unlock()
		if err != nil {
			return nil, err
		}
	}
	p.cache.forget(channel)
	return p.cache.peers(ctx, channel)
}

// sweep pages through all dialogs of an account once, unless that was done a moment ago.
func (p *Pool) sweep(ctx context.Context, r *reader) error {
	now := p.now()
	if last := r.sweptAt.Load(); last != 0 && now.Sub(time.Unix(0, last)) < sweepEvery {
		return nil
	}
	in := &tg.MessagesGetDialogsRequest{OffsetPeer: &tg.InputPeerEmpty{}, Limit: pageSize}
	for range maxSweepPages {
		answer, err := p.call(ctx, r, in)
		if err != nil {
			return fmt.Errorf("look through the dialogs: %w", err)
		}
		d, err := decodeDialogs(answer)
		if err != nil {
			return fmt.Errorf("decode dialogs: %w", err)
		}
		if err := p.rememberChats(ctx, r, d.chats); err != nil {
			return err
		}
		if !d.next(in) {
			break
		}
	}
	r.sweptAt.Store(now.UnixNano())
	return nil
}

func (p *Pool) rememberChats(ctx context.Context, r *reader, chats []tg.ChatClass) error {
	var peers []account.Peer
	for _, chat := range chats {
		if c, ok := chat.(*tg.Channel); ok && !c.Min {
			peers = append(peers, toAccountPeer(r.id(), c, p.now()))
		}
	}
	if len(peers) == 0 {
		return nil
	}
	if err := p.store.SavePeers(ctx, peers); err != nil {
		return fmt.Errorf("remember channels: %w", err)
	}
	return nil
}

type dialogs struct {
	dialogs  []tg.DialogClass
	messages []tg.MessageClass
	chats    []tg.ChatClass
	users    []tg.UserClass
	whole    bool // there are no more pages
}

func decodeDialogs(answer body) (dialogs, error) {
	decoded, err := tg.DecodeMessagesDialogs(&bin.Buffer{Buf: answer})
	switch d := decoded.(type) {
	case *tg.MessagesDialogs:
		return dialogs{d.Dialogs, d.Messages, d.Chats, d.Users, true}, nil
	case *tg.MessagesDialogsSlice:
		return dialogs{d.Dialogs, d.Messages, d.Chats, d.Users, len(d.Dialogs) == 0}, nil
	}
	return dialogs{whole: true}, err
}

// next makes in ask for the page after this one; false when there is none. A page goes on from the date, id and peer of its last dialog's top message.
func (d dialogs) next(in *tg.MessagesGetDialogsRequest) bool {
	if d.whole || len(d.dialogs) == 0 {
		return false
	}
	last, ok := d.dialogs[len(d.dialogs)-1].(*tg.Dialog)
	if !ok {
		return false // a folder of archived dialogs comes first, never last
	}
	peer, top := d.inputPeer(last.Peer), last.TopMessage
	date := d.dateOf(last.Peer, top)
	if peer == nil || date == 0 || top == in.OffsetID && date == in.OffsetDate {
		return false // nothing to go on from, or the server turns in a circle
	}
	in.OffsetPeer, in.OffsetID, in.OffsetDate = peer, top, date
	return true
}

func (d dialogs) dateOf(peer tg.PeerClass, id int) int {
	for _, m := range d.messages {
		full, ok := m.AsNotEmpty()
		if ok && full.GetID() == id && toPeer(full.GetPeerID()) == toPeer(peer) {
			return full.GetDate()
		}
	}
	return 0
}

func (d dialogs) inputPeer(peer tg.PeerClass) tg.InputPeerClass {
	switch p := peer.(type) {
	case *tg.PeerChat:
		return &tg.InputPeerChat{ChatID: p.ChatID}
	case *tg.PeerUser:
		for _, u := range d.users {
			if user, ok := u.(*tg.User); ok && user.ID == p.UserID {
				return &tg.InputPeerUser{UserID: user.ID, AccessHash: user.AccessHash}
			}
		}
	case *tg.PeerChannel:
		for _, c := range d.chats {
			if channel, ok := c.(*tg.Channel); ok && channel.ID == p.ChannelID {
				return &tg.InputPeerChannel{ChannelID: channel.ID, AccessHash: channel.AccessHash}
			}
		}
	}
	return nil
}
