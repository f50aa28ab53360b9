package telegram

import (
	"cmp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gotd/td/tg"

	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

// toPost turns a message into a post; raw is kept, not copied. The mapping is pure and total: whatever TL can say gives a post.
func toPost(channel ingest.ChannelID, m *tg.Message, raw []byte) ingest.Post {
	text := clean(m.Message)
	return ingest.Post{
		Channel: channel, Message: ingest.MessageID(m.ID),
		PostedAt: instant(m.Date), EditedAt: instant(m.EditDate), EditHidden: m.EditHide,
		Text: text, Entities: toEntities(m.Entities, text),
		AuthorSignature: clean(m.PostAuthor), Author: toPeer(m.FromID),
		Views: counter(m.GetViews()), Forwards: counter(m.GetForwards()), Replies: toReplies(m), Reactions: toReactions(m),
		Album: m.GroupedID, Topic: toTopic(m.ReplyTo), Forward: toForward(m), ReplyTo: toReply(m.ReplyTo), Media: toMedia(m.Media),
		ViaBot: m.ViaBotID, Pinned: m.Pinned, Silent: m.Silent, Protected: m.Noforwards,
		TTL: time.Duration(m.TTLPeriod) * time.Second,
		Raw: raw,
	}
}

func toReplies(m *tg.Message) *int32 {
	replies, ok := m.GetReplies()
	return counter(replies.Replies, ok)
}

func toForward(m *tg.Message) *ingest.Forward {
	f, ok := m.GetFwdFrom()
	if !ok {
		return nil
	}
	return &ingest.Forward{
		From: toPeer(f.FromID), FromName: clean(f.FromName), Message: ingest.MessageID(f.ChannelPost),
		PostedAt: instant(f.Date), AuthorSignature: clean(f.PostAuthor),
	}
}

func toReply(header tg.MessageReplyHeaderClass) *ingest.Reply {
	switch h := header.(type) {
	case *tg.MessageReplyHeader:
		reply := ingest.Reply{Message: ingest.MessageID(h.ReplyToMsgID), Peer: toPeer(h.ReplyToPeerID), Quote: clean(h.QuoteText)}
		switch {
		case !h.ForumTopic:
			reply.Thread = ingest.MessageID(h.ReplyToTopID)
		case h.ReplyToTopID == 0: // the header tells the topic, and nothing is answered
			return nil
		}
		return &reply
	case *tg.MessageReplyStoryHeader:
		return &ingest.Reply{Peer: toPeer(h.Peer), Story: h.StoryID}
	}
	return nil
}

// generalTopic is the id of every forum's topic "General", whose messages mostly name none. https://core.telegram.org/api/forum
const generalTopic = 1

// toTopic is the topic of a forum. A message that answers another names its topic beside that one; any other names it in that one's place.
func toTopic(header tg.MessageReplyHeaderClass) ingest.MessageID {
	h, ok := header.(*tg.MessageReplyHeader)
	if !ok || !h.ForumTopic {
		return 0
	}
	topic := cmp.Or(h.ReplyToTopID, h.ReplyToMsgID)
	if topic == generalTopic {
		return 0
	}
	return ingest.MessageID(topic)
}

func toPeer(peer tg.PeerClass) ingest.Peer {
	switch p := peer.(type) {
	case *tg.PeerUser:
		return ingest.Peer{Kind: ingest.UserPeer, ID: p.UserID}
	case *tg.PeerChat:
		return ingest.Peer{Kind: ingest.GroupPeer, ID: p.ChatID}
	case *tg.PeerChannel:
		return ingest.Peer{Kind: ingest.ChannelPeer, ID: p.ChannelID}
	}
	return ingest.Peer{}
}

func counter(n int, ok bool) *int32 {
	if !ok {
		return nil
	}
	c := int32(n)
	return &c
}

// instant is Telegram's Unix seconds; 0 means there is none.
func instant(seconds int) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0).UTC()
}

// clean makes a text that neither Postgres nor protobuf refuses: what is no UTF-8, and the zero character, become U+FFFD, which is one UTF-16
// unit like what it replaces, so that entities stay where they are. The raw bytes are kept as they were.
func clean(s string) string {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s { // an invalid byte comes out as U+FFFD
		if r == 0 {
			r = utf8.RuneError
		}
		b.WriteRune(r)
	}
	return b.String()
}
