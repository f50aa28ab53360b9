package tgsim

import (
	"errors"
	"regexp"
	"strings"

	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"github.com/tidemark/tidemark/services/parser/tgsim/world"
)

var username = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{2,31}$`)

func (c *call) resolveUsername() error {
	var r tg.ContactsResolveUsernameRequest
	if err := c.decode(&r); err != nil {
		return err
	}
	name := strings.TrimPrefix(r.Username, "@")
	if !username.MatchString(name) {
		return tgerr.New(400, "USERNAME_INVALID")
	}
	v, err := c.world.Resolve(c.account, name)
	if errors.Is(err, world.ErrUnknown) {
		return tgerr.New(400, "USERNAME_NOT_OCCUPIED")
	}
	if err != nil {
		return err
	}
	if err := c.about(v.ID); err != nil {
		return err
	}
	return (&tg.ContactsResolvedPeer{Peer: &tg.PeerChannel{ChannelID: v.ID}, Chats: []tg.ChatClass{chat(v)}}).Encode(c.out)
}

func (c *call) getChannels() error {
	var r tg.ChannelsGetChannelsRequest
	if err := c.decode(&r); err != nil {
		return err
	}
	answer := &tg.MessagesChats{}
	for _, input := range r.ID {
		v, err := c.open(input)
		if err != nil {
			return err
		}
		answer.Chats = append(answer.Chats, chat(v))
	}
	return answer.Encode(c.out)
}

func (c *call) getFullChannel() error {
	var r tg.ChannelsGetFullChannelRequest
	if err := c.decode(&r); err != nil {
		return err
	}
	v, err := c.open(r.Channel)
	if err != nil {
		return err
	}
	full := &tg.ChannelFull{ID: v.ID, About: v.About, ChatPhoto: &tg.PhotoEmpty{}, Pts: v.Pts}
	full.SetParticipantsCount(v.Members)
	return (&tg.MessagesChatFull{FullChat: full, Chats: []tg.ChatClass{chat(v)}}).Encode(c.out)
}

// open is the channel that an input names, if this account may see it.
func (c *call) open(input tg.InputChannelClass) (world.View, error) {
	id, hash, err := c.channelOf(input)
	if err != nil {
		return world.View{}, err
	}
	return c.world.Open(c.account, id, hash)
}

// channelOf reads an input channel, and lets the channel's faults strike.
func (c *call) channelOf(input tg.InputChannelClass) (id, hash int64, err error) {
	ch, ok := input.(*tg.InputChannel)
	if !ok {
		return 0, 0, world.ErrUnknown
	}
	return ch.ChannelID, ch.AccessHash, c.about(ch.ChannelID)
}

// peerOf reads an input peer, which must be a channel, and lets the channel's faults strike.
func (c *call) peerOf(input tg.InputPeerClass) (id, hash int64, err error) {
	ch, ok := input.(*tg.InputPeerChannel)
	if !ok {
		return 0, 0, tgerr.New(400, "PEER_ID_INVALID")
	}
	return ch.ChannelID, ch.AccessHash, c.about(ch.ChannelID)
}

// chat is a channel as clients get it beside messages.
func chat(v world.View) tg.ChatClass {
	if v.Private && !v.Member {
		return &tg.ChannelForbidden{Broadcast: true, ID: v.ID, AccessHash: v.Hash, Title: v.Title}
	}
	ch := &tg.Channel{Broadcast: true, Left: !v.Member, Noforwards: v.Protected, ID: v.ID, Title: v.Title, Username: v.Username,
		Photo: &tg.ChatPhotoEmpty{}, Date: int(v.Created.Unix())}
	ch.SetAccessHash(v.Hash)
	ch.SetParticipantsCount(v.Members)
	return ch
}
