package wire_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/tidemark/tidemark/services/parser/internal/ingest"
	"github.com/tidemark/tidemark/services/parser/internal/wire"
)

func everything() *ingest.Post {
	now, n := time.Unix(1_700_000_000, 0).UTC(), int32(3)
	return &ingest.Post{
		Channel: 1, Message: 2, Revision: 3, PostedAt: now, EditedAt: now, DeletedAt: now, EditHidden: true, Text: "text",
		Entities: []ingest.Entity{{Kind: "bold", Offset: 1, Length: 2, Value: "v", RefID: 4}}, AuthorSignature: "signature",
		Author: ingest.Peer{Kind: ingest.UserPeer, ID: 5}, Views: &n, Forwards: &n, Replies: &n, Reactions: []ingest.Reaction{{Emoji: "x", Count: 6}},
		Album: 7, Topic: 8, ViaBot: 9, Pinned: true, Silent: true, Protected: true, TTL: time.Minute,
		Forward: &ingest.Forward{From: ingest.Peer{Kind: ingest.ChannelPeer, ID: 10}, FromName: "name", Message: 11, PostedAt: now, AuthorSignature: "s"},
		ReplyTo: &ingest.Reply{Message: 12, Peer: ingest.Peer{Kind: ingest.GroupPeer, ID: 13}, Thread: 14, Quote: "quote"},
		Media: &ingest.Media{
			Kind: ingest.MediaAudio, FileID: 15, MIMEType: "audio/mpeg", FileName: "f", Size: 16, Width: 17, Height: 18, Duration: time.Second, Title: "title",
			URL: "https://example.org", Spoiler: true, Other: "other", Location: &ingest.Location{Latitude: 1, Longitude: 2}, Performer: "band",
		},
	}
}

// TestNothingIsMissingOnTheWire goes red for a field of the contract that a post with everything leaves empty.
func TestNothingIsMissingOnTheWire(t *testing.T) {
	t.Parallel()
	empties(t, "post", wire.Post(everything()).ProtoReflect())
}

func empties(t *testing.T, at string, m protoreflect.Message) {
	t.Helper()
	for fields, i := m.Descriptor().Fields(), 0; i < fields.Len(); i++ {
		f := fields.Get(i)
		name := at + "." + string(f.Name())
		switch {
		case f.ContainingOneof() != nil && !f.HasOptionalKeyword():
		case m.Descriptor().ParentFile().Package() != "tidemark.type.v1":
		case !m.Has(f):
			t.Errorf("%s is empty", name)
		case f.IsList() && f.Message() != nil:
			empties(t, name, m.Get(f).List().Get(0).Message())
		case f.Message() != nil:
			empties(t, name, m.Get(f).Message())
		}
	}
}

func TestWhatIsAbsentStaysAbsent(t *testing.T) {
	t.Parallel()
	got := wire.Post(&ingest.Post{Channel: 1, Message: 2, Revision: 1, PostedAt: time.Unix(1, 0), Media: &ingest.Media{Kind: ingest.MediaLocation}})
	if got.GetMedia().GetLocation() != nil || got.GetEditedAt() != nil || got.Views != nil || got.GetReplyTo() != nil || got.GetTtl() != nil {
		t.Errorf("got %v, want nothing but what there is", got)
	}
}
