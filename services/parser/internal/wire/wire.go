// Package wire says the core's posts in the contract's words, for answers and events alike.
package wire

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	typev1 "github.com/tidemark/tidemark/gen/tidemark/type/v1"
	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

// Post is a post on the wire.
func Post(p *ingest.Post) *typev1.Post {
	out := &typev1.Post{
		ChannelId: int64(p.Channel), MessageId: int64(p.Message), Revision: p.Revision,
		PostedAt: Stamp(p.PostedAt), EditedAt: Stamp(p.EditedAt), DeletedAt: Stamp(p.DeletedAt), EditHidden: p.EditHidden,
		Text: p.Text, AuthorSignature: p.AuthorSignature, Author: peer(p.Author), Views: p.Views, Forwards: p.Forwards, Replies: p.Replies,
		AlbumId: p.Album, TopicId: int64(p.Topic), Forward: forward(p.Forward), ReplyTo: reply(p.ReplyTo), Media: media(p.Media), ViaBotId: p.ViaBot,
		Pinned: p.Pinned, Silent: p.Silent, Protected: p.Protected, Ttl: span(p.TTL),
	}
	if len(p.Entities) > 0 {
		out.Entities = make([]*typev1.TextEntity, len(p.Entities))
		for i, e := range p.Entities {
			out.Entities[i] = &typev1.TextEntity{Kind: e.Kind, Offset: int32(e.Offset), Length: int32(e.Length), Value: e.Value, RefId: e.RefID}
		}
	}
	if len(p.Reactions) > 0 {
		out.Reactions = make([]*typev1.Reaction, len(p.Reactions))
		for i, r := range p.Reactions {
			out.Reactions[i] = reaction(r)
		}
	}
	return out
}

// Stamp is an instant on the wire; the zero time is absent.
func Stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func span(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}

var peerKinds = map[ingest.PeerKind]typev1.PeerKind{
	ingest.UserPeer: typev1.PeerKind_PEER_KIND_USER, ingest.GroupPeer: typev1.PeerKind_PEER_KIND_GROUP, ingest.ChannelPeer: typev1.PeerKind_PEER_KIND_CHANNEL,
}

func peer(p ingest.Peer) *typev1.Peer {
	if p == (ingest.Peer{}) {
		return nil
	}
	return &typev1.Peer{Kind: peerKinds[p.Kind], Id: p.ID}
}

func reaction(r ingest.Reaction) *typev1.Reaction {
	out := &typev1.Reaction{Count: r.Count}
	switch {
	case r.Emoji != "":
		out.Kind = &typev1.Reaction_Emoji{Emoji: r.Emoji}
	case r.CustomEmoji != 0:
		out.Kind = &typev1.Reaction_CustomEmojiId{CustomEmojiId: r.CustomEmoji}
	case r.Paid:
		out.Kind = &typev1.Reaction_Paid{Paid: true}
	default:
		out.Kind = &typev1.Reaction_Other{Other: r.Other}
	}
	return out
}

func forward(f *ingest.Forward) *typev1.ForwardOrigin {
	if f == nil {
		return nil
	}
	return &typev1.ForwardOrigin{
		Author: peer(f.From), AuthorName: f.FromName, MessageId: int64(f.Message), PostedAt: Stamp(f.PostedAt), AuthorSignature: f.AuthorSignature,
	}
}

func reply(r *ingest.Reply) *typev1.ReplyTarget {
	if r == nil {
		return nil
	}
	return &typev1.ReplyTarget{MessageId: int64(r.Message), Peer: peer(r.Peer), ThreadId: int64(r.Thread), Quote: r.Quote}
}

var mediaKinds = map[ingest.MediaKind]typev1.MediaKind{
	ingest.MediaOther: typev1.MediaKind_MEDIA_KIND_OTHER, ingest.MediaPhoto: typev1.MediaKind_MEDIA_KIND_PHOTO,
	ingest.MediaVideo: typev1.MediaKind_MEDIA_KIND_VIDEO, ingest.MediaVideoNote: typev1.MediaKind_MEDIA_KIND_VIDEO_NOTE,
	ingest.MediaVoice: typev1.MediaKind_MEDIA_KIND_VOICE, ingest.MediaAudio: typev1.MediaKind_MEDIA_KIND_AUDIO,
	ingest.MediaAnimation: typev1.MediaKind_MEDIA_KIND_ANIMATION, ingest.MediaSticker: typev1.MediaKind_MEDIA_KIND_STICKER,
	ingest.MediaDocument: typev1.MediaKind_MEDIA_KIND_DOCUMENT, ingest.MediaWebPage: typev1.MediaKind_MEDIA_KIND_WEB_PAGE,
	ingest.MediaPoll: typev1.MediaKind_MEDIA_KIND_POLL, ingest.MediaLocation: typev1.MediaKind_MEDIA_KIND_LOCATION,
	ingest.MediaContact: typev1.MediaKind_MEDIA_KIND_CONTACT,
}

func media(m *ingest.Media) *typev1.Media {
	if m == nil {
		return nil
	}
	return &typev1.Media{
		Kind: mediaKinds[m.Kind], FileId: m.FileID, MimeType: m.MIMEType, FileName: m.FileName, SizeBytes: m.Size, Width: int32(m.Width),
		Height: int32(m.Height), Duration: span(m.Duration), Title: m.Title, Performer: m.Performer, Location: location(m.Location), Url: m.URL, Spoiler: m.Spoiler, Other: m.Other,
	}
}

func location(l *ingest.Location) *typev1.GeoPoint {
	if l == nil {
		return nil
	}
	return &typev1.GeoPoint{Latitude: l.Latitude, Longitude: l.Longitude}
}
