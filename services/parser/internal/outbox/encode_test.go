package outbox_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	eventv1 "github.com/tidemark/tidemark/gen/tidemark/event/v1"
	typev1 "github.com/tidemark/tidemark/gen/tidemark/type/v1"
	"github.com/tidemark/tidemark/services/parser/internal/ingest"
	"github.com/tidemark/tidemark/services/parser/internal/outbox"
)

func dialTo(address func() string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", address())
	}
}

func TestEncode(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	post := &ingest.Post{Channel: 7, Message: 9, Revision: 2, PostedAt: at, Text: "text"}
	wire := &typev1.Post{ChannelId: 7, MessageId: 9, Revision: 2, PostedAt: timestamppb.New(at), Text: "text"}
	for kind, want := range map[ingest.Kind]*eventv1.Event{
		ingest.Created: {Id: "7/9/2/post.created/616263646566", Kind: &eventv1.Event_PostCreated{PostCreated: &eventv1.PostCreated{Post: wire}}},
		ingest.Edited:  {Id: "7/9/2/post.edited/616263646566", Kind: &eventv1.Event_PostEdited{PostEdited: &eventv1.PostEdited{Post: wire}}},
		ingest.Deleted: {Id: "7/9/2/post.deleted", Kind: &eventv1.Event_PostDeleted{PostDeleted: &eventv1.PostDeleted{DeletedAt: timestamppb.New(at)}}},
	} {
		want.ChannelId, want.MessageId, want.Revision, want.RecordedAt = 7, 9, 2, timestamppb.New(at)
		event := ingest.Event{Channel: 7, Message: 9, Revision: 2, Kind: kind, RecordedAt: at}
		if kind != ingest.Deleted {
			event.Post, event.Content = post, ingest.Hash([]byte("abcdefghijklmnop"))
		}
		bytes, err := outbox.Encode(event)
		got := &eventv1.Event{}
		if err != nil || proto.Unmarshal(bytes, got) != nil {
			t.Fatalf("encode %s: %v", kind, err)
		}
		if diff := cmp.Diff(got, want, protocmp.Transform()); diff != "" {
			t.Errorf("%s (-got +want):\n%s", kind, diff)
		}
	}
	post.Text = strings.Repeat("x", 1<<20)
	if _, err := outbox.Encode(ingest.Event{Kind: ingest.Created, Post: post}); err == nil {
		t.Error("an event of more than a megabyte was encoded")
	}
	if _, err := outbox.Encode(ingest.Event{Kind: "post.sung", Post: post}); err == nil {
		t.Error("an unknown kind was encoded")
	}
}
