package parser

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	parserv1 "github.com/tidemark/tidemark/gen/tidemark/parser/v1"
	"github.com/tidemark/tidemark/kit/pg/pgtest"
	"github.com/tidemark/tidemark/kit/rpc"
)

// A page of a thousand long posts is far more than fits into a connection's window. Clients that ask for it and never read must cost no
// connection to Postgres: there are four, and 30 such clients.
func TestPagesThatNobodyReadsHoldNothing(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := config(t)
	c.MaxConns = 4
	s, err := Open(ctx, c, Deps{Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if _, err := s.pool.Exec(ctx, `INSERT INTO parser.posts (channel_id, message_id, revision, posted_at, text, pinned, silent, protected, edit_hidden,
			content_hash, counters_hash, first_seen_at, changed_at)
		SELECT 1, n, 1, now(), repeat('я', 4096), false, false, false, false, '\x00', 0, now(), now() FROM generate_series(1, 1000) AS n`); err != nil {
		t.Fatal(err)
	}
	server, loop := rpc.NewServer(rpc.ServerOptions{}), rpc.NewLoopback()
	s.Register(server)
	go func() { _ = server.Serve(loop.Listener()) }()
	t.Cleanup(server.Stop)
	dial := func() *grpc.ClientConn {
		conn, err := loop.Dial()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	slow, quick := dial(), parserv1.NewPostServiceClient(dial())
	page := &parserv1.ListPostsRequest{ChannelId: 1, PageSize: 1000}
	for i := range 30 {
		stream, err := slow.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, parserv1.PostService_ListPosts_FullMethodName)
		if err == nil {
			err = errors.Join(stream.SendMsg(page), stream.CloseSend())
		}
		if err == nil {
			_, err = stream.Header() // comes when the answer is on its way
		}
		if err != nil {
			t.Fatalf("client %d: %v", i, err)
		}
	}
	if got, err := quick.ListPosts(ctx, page); err != nil || len(got.GetPosts()) != 1000 {
		t.Fatalf("beside them: %d posts, %v", len(got.GetPosts()), err)
	}
	for range 20 {
		if _, err := quick.GetPost(ctx, &parserv1.GetPostRequest{ChannelId: 1, MessageId: 7, WithRaw: true}); err != nil {
			t.Fatalf("beside them: %v", err)
		}
	}
	pgtest.Quiet(t, c.DatabaseURL, "parser")
}
