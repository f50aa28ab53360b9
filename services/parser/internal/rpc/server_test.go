package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	parserv1 "github.com/tidemark/tidemark/gen/tidemark/parser/v1"
	typev1 "github.com/tidemark/tidemark/gen/tidemark/type/v1"
	kitrpc "github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/services/parser/internal/ingest"
	"github.com/tidemark/tidemark/services/parser/internal/ingest/ingesttest"
)

type clients struct {
	parserv1.ParserServiceClient
	posts      parserv1.PostServiceClient
	quarantine parserv1.QuarantineServiceClient
}

// serve is clients on a real server over a source and a store.
func serve(t *testing.T, source ingest.Source, store *ingesttest.Memory) clients {
	t.Helper()
	registry, log := prometheus.NewRegistry(), slog.New(slog.DiscardHandler)
	server := kitrpc.NewServer(kitrpc.ServerOptions{Log: log, Registry: registry})
	ingester := ingest.New(source, store, time.Now)
	parser := NewParserServer(source, ingester, log, NewMetrics(registry))
	parserv1.RegisterParserServiceServer(server, parser)
	parserv1.RegisterQuarantineServiceServer(server, NewQuarantineServer(store, store, parser))
	parserv1.RegisterPostServiceServer(server, NewPostServer(store))
	loop := kitrpc.NewLoopback()
	go func() { _ = server.Serve(loop.Listener()) }()
	t.Cleanup(server.Stop)
	conn, err := loop.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return clients{parserv1.NewParserServiceClient(conn), parserv1.NewPostServiceClient(conn), parserv1.NewQuarantineServiceClient(conn)}
}

const channel ingest.ChannelID = 42

func world(top ingest.MessageID) *ingesttest.World {
	w := &ingesttest.World{Channel: channel, Messages: map[ingest.MessageID]ingesttest.Message{}, Top: top, PageSize: 10}
	for id := ingest.MessageID(1); id <= top; id++ {
		w.Messages[id] = ingesttest.Message{}
	}
	return w
}

func ids(first, last int64) []*typev1.IdRange { return []*typev1.IdRange{{First: first, Last: last}} }

const historical = typev1.ReadMode_READ_MODE_HISTORICAL

func TestParseThenRead(t *testing.T) {
	t.Parallel()
	c, ctx := serve(t, world(25), ingesttest.NewMemory()), t.Context()
	got, err := c.ParseChannel(ctx, &parserv1.ParseChannelRequest{ChannelId: -1000000000042, Mode: historical, Ranges: ids(1, 25), MaxPages: 2})
	if err != nil {
		t.Fatal(err)
	}
	want := &parserv1.ParseChannelResponse{
		Covered: ids(6, 25), Next: parserv1.ParseNext_PARSE_NEXT_MORE, PostsNew: 20, MessagesRead: 20, PagesRead: 2,
		HeadAt: timestamppb.New(ingesttest.PostedAt(25)), TopId: 25,
	}
	if diff := cmp.Diff(got, want, protocmp.Transform()); diff != "" {
		t.Errorf("parse (-got +want):\n%s", diff)
	}
	one, err := c.posts.GetPost(ctx, &parserv1.GetPostRequest{ChannelId: 42, MessageId: 7})
	views := int32(7)
	wantPost := &typev1.Post{ChannelId: 42, MessageId: 7, Revision: 1, PostedAt: timestamppb.New(ingesttest.PostedAt(7)), Text: "message 7", Views: &views}
	if diff := cmp.Diff(one.GetPost(), wantPost, protocmp.Transform()); err != nil || diff != "" {
		t.Errorf("get: %v (-got +want):\n%s", err, diff)
	}
	several, err := c.posts.BatchGetPosts(ctx, &parserv1.BatchGetPostsRequest{ChannelId: 42, MessageIds: []int64{9, 1, 7}})
	if got := messages(several.GetPosts()); err != nil || !slices.Equal(got, []int64{9, 7}) {
		t.Errorf("got %v, %v, want 9 and 7", got, err)
	}
}

func messages(posts []*typev1.Post) (ids []int64) {
	for _, p := range posts {
		ids = append(ids, p.GetMessageId())
	}
	return ids
}

func TestListPostsPagesBothWays(t *testing.T) {
	t.Parallel()
	c, ctx := serve(t, world(25), ingesttest.NewMemory()), t.Context()
	if _, err := c.ParseChannel(ctx, &parserv1.ParseChannelRequest{ChannelId: 42, Mode: historical, Ranges: ids(1, 25)}); err != nil {
		t.Fatal(err)
	}
	for _, descending := range []bool{false, true} {
		request := &parserv1.ListPostsRequest{ChannelId: 42, PageSize: 4, FirstId: 3, LastId: 12, Descending: descending}
		var got []int64
		for pages := 1; ; pages++ {
			page, err := c.posts.ListPosts(ctx, request)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, messages(page.GetPosts())...)
			if request.PageToken = page.GetNextPageToken(); request.PageToken == "" {
				if pages != 3 {
					t.Errorf("got %d pages, want 3", pages)
				}
				break
			}
		}
		want := []int64{3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
		if descending {
			slices.Reverse(want)
		}
		if !slices.Equal(got, want) {
			t.Errorf("descending %t: got %v, want %v", descending, got, want)
		}
	}
	first, err := c.posts.ListPosts(ctx, &parserv1.ListPostsRequest{ChannelId: 42, PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.posts.ListPosts(ctx, &parserv1.ListPostsRequest{ChannelId: 42, PageToken: first.GetNextPageToken(), HideDeleted: true})
	if kitrpc.Field(err) != "page_token" {
		t.Errorf("got %v: a token of another query must be refused", err)
	}
}

// failing fails with everything that it is asked.
type failing struct{ err error }

func (f failing) Known(ingest.ChannelID, ingest.MessageID) {}

func (f failing) Resolve(context.Context, ingest.Ref) (ingest.Channel, error) {
	return ingest.Channel{}, f.err
}
func (f failing) Probe(_ context.Context, c []ingest.ChannelID) ([]ingest.Probe, error) {
	return []ingest.Probe{{Channel: c[0], Err: f.err}}, nil
}
func (f failing) Page(context.Context, ingest.ChannelID, ingest.Range, ingest.Direction) (ingest.Page, error) {
	return ingest.Page{}, fmt.Errorf("read: %w", f.err)
}

func TestErrorsOnTheWire(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err    error
		code   codes.Code
		reason string
	}{
		"private":       {ingest.ErrPrivate, codes.PermissionDenied, "CHANNEL_PRIVATE"},
		"unknown":       {ingest.ErrUnknown, codes.NotFound, "CHANNEL_NOT_FOUND"},
		"no member":     {ingest.ErrNotMember, codes.PermissionDenied, "NOT_A_MEMBER"},
		"no account":    {ingest.ErrNoAccount, codes.FailedPrecondition, "NO_ACCOUNT"},
		"session gone":  {ingest.ErrSession, codes.FailedPrecondition, "SESSION_GONE"},
		"frozen":        {ingest.ErrFrozen, codes.FailedPrecondition, "ACCOUNT_FROZEN"},
		"banned":        {ingest.ErrBanned, codes.FailedPrecondition, "ACCOUNT_BANNED"},
		"unreachable":   {ingest.ErrUnreachable, codes.Unavailable, "TELEGRAM_UNREACHABLE"},
		"store down":    {ingest.ErrStoreDown, codes.Unavailable, "STORE_UNREACHABLE"},
		"proves naught": {ingest.ErrUnproved, codes.Unavailable, "NOTHING_PROVED"},
		"ours":          {errors.New("secret detail"), codes.Internal, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, ctx := serve(t, failing{tc.err}, ingesttest.NewMemory()), t.Context()
			_, err := c.ParseChannel(ctx, &parserv1.ParseChannelRequest{ChannelId: 42, Mode: historical, Ranges: ids(1, 9)})
			if status.Code(err) != tc.code || tc.reason != "" && kitrpc.Reason(err) != tc.reason {
				t.Errorf("parse: got %v with reason %q, want %s with %q", err, kitrpc.Reason(err), tc.code, tc.reason)
			}
			_, err = c.ResolveChannel(ctx, &parserv1.ResolveChannelRequest{Ref: "@name"})
			if status.Code(err) != tc.code {
				t.Errorf("resolve: got %v, want %s", err, tc.code)
			}
			probed, err := c.ProbeChannels(ctx, &parserv1.ProbeChannelsRequest{ChannelIds: []int64{42}})
			if got := probed.GetProbes()[0].GetFailure(); err != nil || got.GetReason() != tc.reason && tc.reason != "" || got.GetMessage() == tc.err.Error() {
				t.Errorf("probe: got %v, %v, want %q with a text of its own", got, err, tc.reason)
			}
		})
	}
}

func TestFloodIsAnOutcomeOfParsing(t *testing.T) {
	t.Parallel()
	c, ctx := serve(t, failing{&ingest.FloodError{Method: "messages.getHistory", Wait: 40 * time.Second}}, ingesttest.NewMemory()), t.Context()
	got, err := c.ParseChannel(ctx, &parserv1.ParseChannelRequest{ChannelId: 42, Mode: historical, Ranges: ids(1, 9)})
	want := &parserv1.ParseChannelResponse{Next: parserv1.ParseNext_PARSE_NEXT_WAIT, RetryAfter: durationpb.New(40 * time.Second), WaitReason: "FLOOD_WAIT"}
	if diff := cmp.Diff(got, want, protocmp.Transform()); err != nil || diff != "" {
		t.Errorf("parse: %v (-got +want):\n%s", err, diff)
	}
	_, err = c.ResolveChannel(ctx, &parserv1.ResolveChannelRequest{Ref: "@name"})
	if wait, ok := kitrpc.RetryAfter(err); status.Code(err) != codes.ResourceExhausted || kitrpc.Reason(err) != "FLOOD_WAIT" || !ok || wait != 40*time.Second {
		t.Errorf("resolve: got %v, want a flood with its wait", err)
	}
	probed, err := c.ProbeChannels(ctx, &parserv1.ProbeChannelsRequest{ChannelIds: []int64{42}})
	if f := probed.GetProbes()[0].GetFailure(); err != nil || f.GetReason() != "FLOOD_WAIT" || f.GetRetryAfter().AsDuration() != 40*time.Second {
		t.Errorf("probe: got %v, %v, want a flood with its wait", f, err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	c, ctx := serve(t, world(9), ingesttest.NewMemory()), t.Context()
	parse := func(r *parserv1.ParseChannelRequest) error { _, err := c.ParseChannel(ctx, r); return err }
	up := typev1.ReadMode_READ_MODE_INCREMENTAL
	for field, err := range map[string]error{
		"channel_id":     parse(&parserv1.ParseChannelRequest{ChannelId: -5, Mode: up, Ranges: ids(1, 2)}),
		"mode":           parse(&parserv1.ParseChannelRequest{ChannelId: 42, Mode: typev1.ReadMode_READ_MODE_SKIP}),
		"ranges[0]":      parse(&parserv1.ParseChannelRequest{ChannelId: 42, Mode: up, Ranges: ids(9, 3)}),
		"ranges":         parse(&parserv1.ParseChannelRequest{ChannelId: 42, Mode: up, Ranges: make([]*typev1.IdRange, 101)}),
		"max_pages":      parse(&parserv1.ParseChannelRequest{ChannelId: 42, Mode: up, MaxPages: 1001}),
		"horizon_since":  parse(&parserv1.ParseChannelRequest{ChannelId: 42, Mode: up, HorizonSince: timestamppb.New(ingesttest.Epoch)}),
		"ref":            second(c.ResolveChannel(ctx, &parserv1.ResolveChannelRequest{Ref: "t.me/+invite"})),
		"channel_ids":    second(c.ProbeChannels(ctx, &parserv1.ProbeChannelsRequest{ChannelIds: make([]int64, 1001)})),
		"channel_ids[1]": second(c.ProbeChannels(ctx, &parserv1.ProbeChannelsRequest{ChannelIds: []int64{1, 0}})),
		"message_id":     second(c.posts.GetPost(ctx, &parserv1.GetPostRequest{ChannelId: 42})),
		"message_ids":    second(c.posts.BatchGetPosts(ctx, &parserv1.BatchGetPostsRequest{ChannelId: 42, MessageIds: make([]int64, 1001)})),
		"message_ids[0]": second(c.posts.BatchGetPosts(ctx, &parserv1.BatchGetPostsRequest{ChannelId: 42, MessageIds: []int64{-1}})),
		"page_size":      second(c.posts.ListPosts(ctx, &parserv1.ListPostsRequest{ChannelId: 42, PageSize: 1001})),
		"page_token":     second(c.posts.ListPosts(ctx, &parserv1.ListPostsRequest{ChannelId: 42, PageToken: "nonsense"})),
		"last_id":        second(c.posts.ListPosts(ctx, &parserv1.ListPostsRequest{ChannelId: 42, LastId: -1})),
	} {
		if status.Code(err) != codes.InvalidArgument || kitrpc.Field(err) != field {
			t.Errorf("%s: got %v, want INVALID_ARGUMENT naming it", field, err)
		}
	}
	if _, err := c.posts.GetPost(ctx, &parserv1.GetPostRequest{ChannelId: 42, MessageId: 3}); status.Code(err) != codes.NotFound {
		t.Errorf("got %v for a post that is not stored, want NOT_FOUND", err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestProbeAnswersInOrder(t *testing.T) {
	t.Parallel()
	c := serve(t, world(9), ingesttest.NewMemory())
	got, err := c.ProbeChannels(t.Context(), &parserv1.ProbeChannelsRequest{ChannelIds: []int64{7, -1000000000042}})
	if err != nil {
		t.Fatal(err)
	}
	if p := got.GetProbes(); p[0].GetFailure().GetReason() != "CHANNEL_PRIVATE" || p[1].GetAnswer().GetTopId() != 9 || p[1].GetChannelId() != 42 {
		t.Errorf("got %v", p)
	}
}
