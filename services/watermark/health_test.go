package watermark_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/redis/go-redis/v9"

	watermarkv1 "github.com/tidemark/tidemark/gen/tidemark/watermark/v1"
	"github.com/tidemark/tidemark/kit/embedded"
	"github.com/tidemark/tidemark/kit/env"
	"github.com/tidemark/tidemark/kit/pg/pgtest"
	"github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/services/watermark"
)

func TestHealthNeedsPostgresAndOnlyNotesRedis(t *testing.T) {
	t.Parallel()
	road, redisURL := newGate(t)
	database := pgtest.Empty(t)
	s, err := watermark.Open(t.Context(), watermark.Config{DatabaseURL: database, RedisURL: env.Secret(redisURL), MaxConns: 4},
		watermark.Deps{Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	for _, step := range []struct {
		when         string
		do           func()
		reason, note string
	}{
		{"all there", func() {}, "", ""},
		{"Redis away", func() { road.set(true) }, "", "Redis does not answer"},
		{"Redis back", func() { road.set(false) }, "", ""},
	} {
		step.do()
		if err := s.Ready(t.Context()); err != nil {
			t.Errorf("%s: got %v, want ready", step.when, err)
		}
		if got := s.Note(t.Context()); !strings.HasPrefix(got, step.note) || (got == "") != (step.note == "") {
			t.Errorf("%s: got note %q, want %q", step.when, got, step.note)
		}
	}
	back := pgtest.Away(t, database)
	if err := s.Ready(t.Context()); err == nil || err.Error() != "Postgres does not answer" {
		t.Errorf("without Postgres: got %v", err)
	}
	back()
	if err := s.Ready(t.Context()); err != nil {
		t.Errorf("with Postgres again: got %v", err)
	}
}

func TestTalliesAreShown(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	s, err := watermark.Open(t.Context(), watermark.Config{DatabaseURL: pgtest.Empty(t), MaxConns: 4},
		watermark.Deps{Log: slog.New(slog.DiscardHandler), Registry: registry, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	server := rpc.NewServer(rpc.ServerOptions{Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry()})
	s.Register(server)
	loop := rpc.NewLoopback()
	go func() { _ = server.Serve(loop.Listener()) }()
	t.Cleanup(server.Stop)
	conn, err := loop.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	c, now := watermarkv1.NewWatermarkServiceClient(conn), time.Now()
	for _, r := range []*watermarkv1.AdvanceWatermarkRequest{
		{ChannelId: 1, Covered: ids(1, 10)},                                      // whole
		{ChannelId: 2, Covered: ids(8, 10)},                                      // 1 to 7 are missing
		{ChannelId: 3, Covered: ids(8, 10), FloorId: 6},                          // 6 and 7 are
		{ChannelId: 4, Covered: ids(1, 3), TopId: 9, Unavailable: ids(5, 6)},     // 4 and 7 to 9 are, 5 and 6 cannot be had
		{ChannelId: 5, Covered: ids(1, 4), TopId: 4, Stage: "index"},             // whole
		{ChannelId: 6, Covered: append(ids(1, 4), ids(9, 9)...), Stage: "index"}, // 5 to 8 are
	} {
		if _, err := c.AdvanceWatermark(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.ReportChecks(t.Context(), &watermarkv1.ReportChecksRequest{Checks: []*watermarkv1.Check{
		{ChannelId: 1, State: watermarkv1.WatermarkState_WATERMARK_STATE_IDLE, TopId: 10, AttemptedAt: rpc.Stamp(now)},
	}}); err != nil {
		t.Fatal(err)
	}
	want := `
# HELP watermark_marks Marks by stage and state.
# TYPE watermark_marks gauge
watermark_marks{stage="index",state="active"} 2
watermark_marks{stage="parse",state="active"} 3
watermark_marks{stage="parse",state="idle"} 1
# HELP watermark_missing_ids Message ids that are still to be covered, by stage and state of their marks; those that cannot be had are not among them.
# TYPE watermark_missing_ids gauge
watermark_missing_ids{stage="index",state="active"} 4
watermark_missing_ids{stage="parse",state="active"} 13
watermark_missing_ids{stage="parse",state="idle"} 0
# HELP watermark_unavailable_ids Message ids that the source was asked for in vain, more than once.
# TYPE watermark_unavailable_ids gauge
watermark_unavailable_ids{stage="index"} 0
watermark_unavailable_ids{stage="parse"} 2
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "watermark_marks", "watermark_missing_ids", "watermark_unavailable_ids"); err != nil {
		t.Error(err)
	}
}

// A Redis that takes connections and does not answer holds up neither reads nor health.
func TestARedisThatHangsHoldsNothingUp(t *testing.T) {
	t.Parallel()
	p, err := embedded.Redis(t.Context(), t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	options, err := redis.ParseURL(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	other := redis.NewClient(options)
	t.Cleanup(func() { _ = other.Close() })
	c, ctx := open(t, p.URL), t.Context()
	if err := advanceTo(ctx, c, 10); err != nil {
		t.Fatal(err)
	}
	for range 3 { // until there is a connection, and a copy
		if _, err := head(ctx, c); err != nil {
			t.Fatal(err)
		}
	}
	if err := other.Do(ctx, "CLIENT", "PAUSE", "20000", "ALL").Err(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if got, err := head(ctx, c); err != nil || got != 10 {
		t.Errorf("got %d, %v, want the head from Postgres", got, err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("a read took %s beside a Redis that hangs", took)
	}
}
