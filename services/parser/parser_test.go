package parser

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	parserv1 "github.com/tidemark/tidemark/gen/tidemark/parser/v1"
	typev1 "github.com/tidemark/tidemark/gen/tidemark/type/v1"
	"github.com/tidemark/tidemark/kit/embedded"
	"github.com/tidemark/tidemark/kit/env"
	"github.com/tidemark/tidemark/kit/pg/pgtest"
	"github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/kit/run"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func config(t *testing.T) Config {
	t.Helper()
	p, err := embedded.Redis(t.Context(), t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	c := run.Defaults[Config]()
	c.DatabaseURL, c.RedisURL = pgtest.Empty(t), env.Secret(p.URL)
	c.APIID, c.APIHash, c.SessionKey, c.TelegramDCs = 1, "hash", env.Secret(strings.Repeat("ab", 32)), "2=127.0.0.1:1"
	return c
}

func TestServiceWithoutAnAccount(t *testing.T) {
	t.Parallel()
	registry, log := prometheus.NewRegistry(), slog.New(slog.DiscardHandler)
	s, err := Open(t.Context(), config(t), Deps{Log: log, Registry: registry, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	server := rpc.NewServer(rpc.ServerOptions{Log: log, Registry: registry})
	s.Register(server)
	loop := rpc.NewLoopback()
	go func() { _ = server.Serve(loop.Listener()) }()
	t.Cleanup(server.Stop)
	conn, err := loop.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := s.Ready(ctx); err != nil {
		t.Errorf("not ready: %v", err)
	}
	_, err = parserv1.NewParserServiceClient(conn).ParseChannel(ctx, &parserv1.ParseChannelRequest{
		ChannelId: 42, Mode: typev1.ReadMode_READ_MODE_INCREMENTAL, Ranges: []*typev1.IdRange{{First: 1, Last: 9}},
	})
	if rpc.Reason(err) != "NO_ACCOUNT" || !strings.Contains(err.Error(), "tidemark login") {
		t.Errorf("got %v, want NO_ACCOUNT saying what to do", err)
	}
	if _, err := parserv1.NewPostServiceClient(conn).GetPost(ctx, &parserv1.GetPostRequest{ChannelId: 42, MessageId: 1}); status.Code(err) != codes.NotFound {
		t.Errorf("got %v, want NOT_FOUND", err)
	}
	if got, err := parserv1.NewAccountServiceClient(conn).ListAccounts(ctx, &parserv1.ListAccountsRequest{}); err != nil || len(got.GetAccounts()) != 0 {
		t.Errorf("got %v, %v, want no accounts", got, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("run: %v", err)
	}
}

func TestReadyNamesARedisThatIsAway(t *testing.T) {
	t.Parallel()
	c := config(t)
	c.RedisURL = "redis://127.0.0.1:1/0"
	s, err := Open(t.Context(), c, Deps{Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(), Now: time.Now})
	if err != nil {
		t.Fatalf("a Redis that is away stops nothing but events: %v", err)
	}
	t.Cleanup(s.Close)
	if err := s.Ready(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "Redis does not answer") {
		t.Errorf("got %v, want it to name Redis and what to check", err)
	}
}

func TestConfigComplainsAboutAllAtOnce(t *testing.T) {
	t.Parallel()
	_, err := Open(t.Context(), Config{}, Deps{})
	for _, flag := range []string{"--database-url", "--redis-url", "--stream", "--max-conns", "--api-id", "--session-key-file"} {
		if err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("got %v, want a word on %s", err, flag)
		}
	}
}
