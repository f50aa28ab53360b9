package redistrace_test

import (
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/tidemark/tidemark/kit/redistrace"
	"github.com/tidemark/tidemark/kit/telemetry/telemetrytest"
)

func TestWhatIsAskedInATrace(t *testing.T) {
	t.Parallel()
	traces, sent := telemetrytest.Open(t)
	client := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	t.Cleanup(func() { _ = client.Close() })
	redistrace.Follow(client, traces)
	client.Set(t.Context(), "idle", "nobody looks", 0)
	ctx, span := traces.Tracer("test").Start(t.Context(), "work")
	client.Set(ctx, "key-of-somebody", "a secret", 0)
	client.Get(ctx, "nothing")
	client.LPush(ctx, "key-of-somebody", "not a list")
	_, _ = client.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.Get(ctx, "key-of-somebody")
		p.Set(ctx, "key-of-somebody", "another secret", 0)
		return nil
	})
	span.End()
	got := map[string]string{}
	for _, s := range sent() {
		got[s.GetName()] = s.GetStatus().GetCode().String()
		if said := s.String(); strings.Contains(said, "somebody") || strings.Contains(said, "secret") || strings.Contains(said, "WRONGTYPE") {
			t.Errorf("a span says too much: %s", said)
		}
	}
	delete(got, "redis hello") // of a connection that was new
	ok, failed := tracepb.Status_STATUS_CODE_UNSET.String(), tracepb.Status_STATUS_CODE_ERROR.String()
	want := map[string]string{"work": ok, "redis set": ok, "redis get": ok, "redis lpush": failed, "redis pipeline": ok}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
}
