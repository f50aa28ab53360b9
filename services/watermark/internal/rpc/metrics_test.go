package rpc

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/types/known/timestamppb"

	watermarkv1 "github.com/tidemark/tidemark/gen/tidemark/watermark/v1"
	"github.com/tidemark/tidemark/kit/embedded"
	"github.com/tidemark/tidemark/services/watermark/internal/cache"
	"github.com/tidemark/tidemark/services/watermark/internal/mark"
	"github.com/tidemark/tidemark/services/watermark/internal/mark/marktest"
)

// series are all counters of a registry by name and label.
func series(t *testing.T, r *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			got[name] = m.GetCounter().GetValue()
		}
	}
	return got
}

func TestEverySeriesMoves(t *testing.T) {
	t.Parallel()
	p, err := embedded.Redis(t.Context(), t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	copies, err := cache.Open(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	registry, store, ctx := prometheus.NewRegistry(), marktest.NewFake(), t.Context()
	metrics := NewMetrics(registry)
	s := NewServer(store, cache.New(copies, slog.New(slog.DiscardHandler), metrics.CacheRead), func() time.Time { return now }, metrics)

	advance := func(token int64) error {
		return second(s.AdvanceWatermark(ctx, &watermarkv1.AdvanceWatermarkRequest{ChannelId: 1, Covered: ids(1, 5), RunToken: token}))
	}
	read := func() error { return second(s.GetWatermark(ctx, &watermarkv1.GetWatermarkRequest{ChannelId: 1})) }
	var checks []*watermarkv1.Check
	for state := range states {
		c := &watermarkv1.Check{ChannelId: 2, State: state, AttemptedAt: timestamppb.New(now)}
		if states[state] == mark.Blocked {
			c.BlockedReason = "FLOOD_WAIT"
		}
		checks = append(checks, c)
	}
	_, err = s.ReportChecks(ctx, &watermarkv1.ReportChecksRequest{Checks: checks})
	if err := errors.Join(err, advance(9), advance(9), read(), read()); err != nil {
		t.Fatal(err)
	}
	if err := advance(8); err == nil {
		t.Error("a stale run went through")
	}
	_ = copies.Close()
	if err := read(); err != nil {
		t.Errorf("without Redis: %v", err)
	}
	store.Err = mark.ErrDown
	if err := advance(9); err == nil {
		t.Error("an advance without a store went through")
	}
	want := map[string]float64{
		"watermark_advances_total done": 2, "watermark_advances_total refused": 1, "watermark_advances_total failed": 1,
		"watermark_ids_covered_total": 5, "watermark_cache_reads_total hit": 1, "watermark_cache_reads_total miss": 1, "watermark_cache_reads_total down": 1,
		"watermark_checks_total active": 1, "watermark_checks_total idle": 1, "watermark_checks_total blocked": 1,
	}
	if diff := cmp.Diff(series(t, registry), want); diff != "" {
		t.Errorf("(-got +want):\n%s", diff)
	}
}
