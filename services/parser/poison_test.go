package parser

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/protobuf/testing/protocmp"

	parserv1 "github.com/tidemark/tidemark/gen/tidemark/parser/v1"
	typev1 "github.com/tidemark/tidemark/gen/tidemark/type/v1"
	"github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/services/parser/internal/account"
	"github.com/tidemark/tidemark/services/parser/tgsim"
	"github.com/tidemark/tidemark/services/parser/tgsim/fault"
)

// reading is a whole parser that reads a simulated Telegram.
type reading struct {
	*testing.T
	*Service
	srv      *tgsim.Server
	registry *prometheus.Registry
	channel  int64

	reads      parserv1.ParserServiceClient
	posts      parserv1.PostServiceClient
	quarantine parserv1.QuarantineServiceClient
}

func openReading(t *testing.T, spec tgsim.Spec) *reading {
	t.Helper()
	w, err := tgsim.NewWorld(spec)
	if err != nil {
		t.Fatal(err)
	}
	srv, err := tgsim.Listen("127.0.0.1:0", w, tgsim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := config(t)
	c.TelegramDCs, c.TelegramPublicKeys = strconv.Itoa(srv.DC())+"="+srv.Addr(), filepath.Join(t.TempDir(), "keys.pem")
	if err := os.WriteFile(c.TelegramPublicKeys, srv.PublicKeyPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &reading{T: t, srv: srv, registry: prometheus.NewRegistry(), channel: w.Channels()[0]}
	if r.Service, err = Open(t.Context(), c, Deps{Log: slog.New(slog.DiscardHandler), Registry: r.registry, Now: time.Now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 2)
	go func() { ended <- srv.Run(ctx) }()
	go func() { ended <- r.Service.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		for range cap(ended) {
			if err := <-ended; err != nil {
				t.Errorf("run: %v", err)
			}
		}
	})
	r.logIn()
	server, loop := rpc.NewServer(rpc.ServerOptions{}), rpc.NewLoopback()
	r.Register(server)
	go func() { _ = server.Serve(loop.Listener()) }()
	t.Cleanup(server.Stop)
	conn, err := loop.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	r.reads, r.posts, r.quarantine = parserv1.NewParserServiceClient(conn), parserv1.NewPostServiceClient(conn), parserv1.NewQuarantineServiceClient(conn)
	if _, err := r.reads.ResolveChannel(t.Context(), &parserv1.ResolveChannelRequest{Ref: "@channel_1"}); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *reading) logIn() {
	r.Helper()
	err := r.telegram.StartLogin(r.Context(), "+10000000000", func(s account.LoginStep) error {
		if s.State == account.CodeNeeded {
			go func() { _, _ = r.telegram.SubmitCode(r.Context(), s.Login, "12345") }()
		}
		return nil
	})
	if err != nil {
		r.Fatalf("log in: %v", err)
	}
}

func (r *reading) read(mode typev1.ReadMode, first, last int) *parserv1.ParseChannelResponse {
	r.Helper()
	got, err := r.reads.ParseChannel(r.Context(), &parserv1.ParseChannelRequest{
		ChannelId: r.channel, Mode: mode, Ranges: []*typev1.IdRange{{First: int64(first), Last: int64(last)}}, KnownTopId: int64(last),
	})
	if err != nil {
		r.Fatalf("read %d to %d: %v", first, last, err)
	}
	return got
}

func (r *reading) retry(ids ...int64) []*parserv1.RetriedMessage {
	r.Helper()
	got, err := r.quarantine.RetryQuarantined(r.Context(), &parserv1.RetryQuarantinedRequest{ChannelId: r.channel, MessageIds: ids})
	if err != nil {
		r.Fatalf("retry: %v", err)
	}
	return got.GetResults()
}

func (r *reading) quarantined(raw bool) []*parserv1.QuarantinedMessage {
	r.Helper()
	got, err := r.quarantine.ListQuarantined(r.Context(), &parserv1.ListQuarantinedRequest{ChannelId: r.channel, WithRaw: raw})
	if err != nil {
		r.Fatalf("list: %v", err)
	}
	return got.GetMessages()
}

// told are the events of a message in the stream, by revision and kind, once there are n of them.
func (r *reading) told(id, n int) (kinds []string) {
	r.Helper()
	prefix := strconv.FormatInt(r.channel, 10) + "/" + strconv.Itoa(id) + "/"
	for deadline := time.Now().Add(10 * time.Second); len(kinds) < n && time.Now().Before(deadline); {
		entries, err := r.redis.XRange(r.Context(), r.config.Stream, "-", "+").Result()
		if err != nil {
			r.Fatal(err)
		}
		kinds = nil
		for _, e := range entries {
			if rest, of := strings.CutPrefix(e.Values["id"].(string), prefix); of {
				revision, _, _ := strings.Cut(rest, "/")
				kinds = append(kinds, revision+"/"+e.Values["kind"].(string))
			}
		}
	}
	return kinds
}

func (r *reading) count(name, want string) {
	r.Helper()
	if err := testutil.GatherAndCompare(r.registry, strings.NewReader(want), name); err != nil {
		r.Error(err)
	}
}

func ranges(all ...[2]int) (out []*typev1.IdRange) {
	for _, r := range all {
		out = append(out, &typev1.IdRange{First: int64(r[0]), Last: int64(r[1])})
	}
	return out
}

const (
	catchUp = typev1.ReadMode_READ_MODE_CATCH_UP
	refresh = typev1.ReadMode_READ_MODE_REFRESH
	gone    = parserv1.RetryOutcome_RETRY_OUTCOME_GONE
	failed  = parserv1.RetryOutcome_RETRY_OUTCOME_FAILED
	back    = parserv1.RetryOutcome_RETRY_OUTCOME_RESTORED
)

// A message that nobody can read: left out at first, quarantined at its second failure, and back as soon as it can be read.
func TestAPoisonMessageFromItsFirstFailureToItsReturn(t *testing.T) {
	t.Parallel()
	r := openReading(t, tgsim.Spec{Seed: 5, Messages: 250})
	truth, err := r.srv.World().Truth("channel_1")
	if err != nil {
		t.Fatal(err)
	}
	bad, dead, top := truth.Posts[40].ID, truth.Posts[150].ID, truth.Top
	if err := r.srv.Faults().Add(tgsim.Rule{Kind: fault.Poison, Channel: r.channel, IDs: []int{bad, dead}}); err != nil {
		t.Fatal(err)
	}
	first := r.read(catchUp, 1, top)
	if diff := cmp.Diff(first.GetCovered(), ranges([2]int{1, bad - 1}, [2]int{bad + 1, dead - 1}, [2]int{dead + 1, top}), protocmp.Transform()); diff != "" {
		t.Errorf("the first read covers (-got +want):\n%s", diff)
	}
	if n := int(first.GetPostsNew()); n != len(truth.Posts)-2 || first.GetMessagesQuarantined() != 0 || len(r.quarantined(false)) != 0 {
		t.Errorf("got %d posts of %d, %d quarantined, want all others and none", n, len(truth.Posts), first.GetMessagesQuarantined())
	}
	for _, id := range []int{bad, dead} {
		second := r.read(catchUp, id, id)
		if diff := cmp.Diff(second.GetCovered(), ranges([2]int{id, id}), protocmp.Transform()); diff != "" || second.GetMessagesQuarantined() != 1 {
			t.Errorf("the second read quarantines %d, covers (-got +want):\n%s", second.GetMessagesQuarantined(), diff)
		}
	}
	if again := r.read(catchUp, 1, top); again.GetMessagesQuarantined() != 0 || len(again.GetCovered()) != 1 || again.GetNext() != parserv1.ParseNext_PARSE_NEXT_DONE {
		t.Errorf("once more: got %v, want all covered and nobody told again", again)
	}
	if got := r.told(bad, 1); !slices.Equal(got, []string{"0/message.quarantined"}) {
		t.Errorf("told %q", got)
	}
	listed := r.quarantined(true)
	if len(listed) != 2 || listed[0].GetMessageId() != int64(bad) || len(listed[0].GetRaw()) < 16 || listed[0].GetFailures() != 3 || listed[0].GetProblem() == "" {
		t.Errorf("listed %v", listed)
	}
	r.count("parser_messages_quarantined_total", `# HELP parser_messages_quarantined_total Messages that could not be read or stored twice, and went into quarantine.
# TYPE parser_messages_quarantined_total counter
parser_messages_quarantined_total 2
`)
	r.count("parser_quarantined", `# HELP parser_quarantined Messages that could not be read and are kept as raw bytes.
# TYPE parser_quarantined gauge
parser_quarantined 2
`)

	want := []*parserv1.RetriedMessage{{MessageId: int64(bad), Outcome: failed}, {MessageId: int64(dead), Outcome: failed}}
	if diff := cmp.Diff(r.retry(), want, protocmp.Transform()); diff != "" {
		t.Errorf("retried too early (-got +want):\n%s", diff)
	}
	r.srv.Faults().Clear()
	if _, err := r.srv.World().Delete("channel_1", dead); err != nil {
		t.Fatal(err)
	}
	want[0].Outcome, want[1].Outcome = back, gone
	if diff := cmp.Diff(r.retry(int64(dead), int64(bad), 1), want, protocmp.Transform()); diff != "" {
		t.Errorf("retried (-got +want):\n%s", diff)
	}
	if left := r.quarantined(false); len(left) != 0 {
		t.Errorf("left in quarantine: %v", left)
	}
	if got := r.told(bad, 2); !slices.Equal(got, []string{"0/message.quarantined", "1/post.created"}) {
		t.Errorf("told %q", got)
	}
	post, err := r.posts.GetPost(t.Context(), &parserv1.GetPostRequest{ChannelId: r.channel, MessageId: int64(bad)})
	if err != nil || post.GetPost().GetText() != truth.Posts[40].Text {
		t.Errorf("got %v, %v, want the post that was restored", post, err)
	}
}

// Ids that were read before, read again: what was edited is an edit, what is gone is deleted, what cannot be read any more is quarantined by the
// revision that we hold, and its return is told even when nothing else changed.
func TestARefreshFindsWhatChanged(t *testing.T) {
	t.Parallel()
	r := openReading(t, tgsim.Spec{Seed: 6, Messages: 230})
	truth, err := r.srv.World().Truth("channel_1")
	if err != nil {
		t.Fatal(err)
	}
	r.read(catchUp, 1, truth.Top)
	edited, dead, bad := truth.Posts[10].ID, truth.Posts[20].ID, truth.Posts[30].ID
	if err := r.srv.World().Edit("channel_1", edited, "said otherwise"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.srv.World().Delete("channel_1", dead); err != nil {
		t.Fatal(err)
	}
	if err := r.srv.Faults().Add(tgsim.Rule{Kind: fault.Poison, Channel: r.channel, IDs: []int{bad}}); err != nil {
		t.Fatal(err)
	}
	got := r.read(refresh, 1, truth.Top)
	if got.GetPostsNew() != 0 || got.GetPostsChanged() != 1 || got.GetPostsDeleted() != 1 || got.GetMessagesQuarantined() != 0 ||
		!cmp.Equal(got.GetCovered(), ranges([2]int{1, bad - 1}, [2]int{bad + 1, truth.Top}), protocmp.Transform()) {
		t.Errorf("got %v, want one edit, one deletion, and all but %d covered", got, bad)
	}
	r.read(refresh, 1, truth.Top)
	r.srv.Faults().Clear()
	if got := r.read(refresh, 1, truth.Top); got.GetPostsChanged() != 1 || got.GetNext() != parserv1.ParseNext_PARSE_NEXT_DONE {
		t.Errorf("got %v, want the one that can be read again", got)
	}
	for id, want := range map[int][]string{
		edited: {"1/post.created", "2/post.edited"}, dead: {"1/post.created", "1/post.deleted"}, bad: {"1/post.created", "1/message.quarantined", "2/post.edited"},
	} {
		if got := r.told(id, len(want)); !slices.Equal(got, want) {
			t.Errorf("of %d: told %q, want %q", id, got, want)
		}
	}
	if left := r.quarantined(false); len(left) != 0 {
		t.Errorf("left in quarantine: %v", left)
	}
}
