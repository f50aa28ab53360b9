package scheduler_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	schedulerv1 "github.com/tidemark/tidemark/gen/tidemark/scheduler/v1"
	"github.com/tidemark/tidemark/kit/pg/pgtest"
	"github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/services/scheduler"
)

// Watchers that never read fill their windows and stop the handlers in the middle of a page. They must cost no connection to Postgres: there are
// nine, and 200 watchers.
func TestWatchersThatNeverReadHoldNothing(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	url := pgtest.Empty(t)
	peers := loop(t, func(grpc.ServiceRegistrar) {})
	s, err := scheduler.Open(ctx, scheduler.Config{DatabaseURL: url, Tick: time.Minute, Workers: 1, SlicePages: 5, RunTimeout: 10 * time.Second},
		scheduler.Deps{Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(), Now: time.Now, Parser: peers, Watermark: peers})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	conn, err := pgx.Connect(ctx, url.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, sql := range []string{
		`INSERT INTO scheduler.runs (channel_id, mode, outcome, started_at, finished_at, message, ended)
		 SELECT 1, 'incremental', 'done', now(), now(), repeat('x', 1000), n FROM generate_series(1, 2000) AS n`,
		`UPDATE scheduler.ended SET n = 2000`,
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	server, l := rpc.NewServer(rpc.ServerOptions{}), rpc.NewLoopback()
	s.Register(server)
	go func() { _ = server.Serve(l.Listener()) }()
	t.Cleanup(server.Stop)
	dial := func() *grpc.ClientConn {
		c, err := l.Dial()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	slow, quick := schedulerv1.NewRunServiceClient(dial()), schedulerv1.NewRunServiceClient(dial())
	for i := range 200 {
		watch, err := slow.WatchRuns(ctx, &schedulerv1.WatchRunsRequest{ResumeToken: "0"})
		if err == nil {
			_, err = watch.Header() // sent with the first run
		}
		if err != nil {
			t.Fatalf("watcher %d: %v", i, err)
		}
	}
	for range 20 {
		if got, err := quick.ListRuns(ctx, &schedulerv1.ListRunsRequest{PageSize: 1000}); err != nil || len(got.GetRuns()) != 1000 {
			t.Fatalf("beside them: %d runs, %v", len(got.GetRuns()), err)
		}
	}
	pgtest.Quiet(t, url, "scheduler")
}
