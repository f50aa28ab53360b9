package watermark_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	watermarkv1 "github.com/tidemark/tidemark/gen/tidemark/watermark/v1"
	"github.com/tidemark/tidemark/kit/embedded"
)

// Postgres keeps microseconds, a Timestamp nanoseconds: what is answered at once, from Redis and from Postgres must be one thing.
func TestAnAnswerIsTheSameFromEveryPlace(t *testing.T) {
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
	wiper := redis.NewClient(options)
	t.Cleanup(func() { _ = wiper.Close() })
	c, ctx := open(t, p.URL), t.Context()
	step := &watermarkv1.AdvanceWatermarkRequest{ChannelId: 1, Covered: ids(1, 9), HeadAt: timestamppb.New(time.Date(2026, 3, 1, 12, 0, 0, 123_456_789, time.UTC))}
	first, err := c.AdvanceWatermark(ctx, step)
	if err != nil {
		t.Fatal(err)
	}
	answers := map[string]*watermarkv1.Watermark{}
	read := func(place string) {
		got, err := c.GetWatermark(ctx, &watermarkv1.GetWatermarkRequest{ChannelId: 1})
		if err != nil {
			t.Fatalf("%s: %v", place, err)
		}
		answers[place] = got.GetWatermark()
	}
	read("at once")
	read("again")
	if err := wiper.FlushAll(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	read("after a wipe")
	again, err := c.AdvanceWatermark(ctx, step)
	if err != nil {
		t.Fatal(err)
	}
	answers["repeated"] = again.GetWatermark()
	for place, got := range answers {
		if diff := cmp.Diff(got, first.GetWatermark(), protocmp.Transform()); diff != "" {
			t.Errorf("%s (-got +answered first):\n%s", place, diff)
		}
	}
}
