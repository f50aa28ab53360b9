package jobs

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"

	"github.com/tidemark/tidemark/kit/telemetry"
	"github.com/tidemark/tidemark/services/scheduler/internal/plan"
)

func TestARunsLineTellsWhereItStopped(t *testing.T) {
	t.Parallel()
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	t.Cleanup(collector.Close)
	run := plan.Run{ID: 7, Channel: 42, Mode: plan.Historical, Outcome: plan.OutFailed, Stage: "advance"}
	away := &plan.Problem{Kind: plan.Failed, Reason: "STORE_UNREACHABLE", Message: "Postgres does not answer", Cause: errors.New("rpc error: 7 of 9")}
	for name, tc := range map[string]struct {
		look  plan.Look
		level string
		stage any
		chain any
	}{
		"done":            {plan.Look{Run: plan.Run{ID: 7, Channel: 42, Outcome: plan.Done}}, "DEBUG", nil, nil},
		"a store is away": {plan.Look{Run: run, Problem: away}, "WARN", "advance", []any{"plan.Problem: Postgres does not answer", "rpc error: 7 of 9"}},
		"ours":            {plan.Look{Run: run, Problem: &plan.Problem{Reason: "INTERNAL", Message: "odd"}}, "ERROR", "advance", nil},
		"told to stop":    {plan.Look{Run: run, Problem: away, Told: true}, "DEBUG", "advance", nil},
		"a flood":         {plan.Look{Run: run, Problem: &plan.Problem{Kind: plan.Flooded, Reason: "FLOOD_WAIT"}}, "DEBUG", "advance", nil},
	} {
		var out bytes.Buffer
		log, err := telemetry.Logger(&out, "json", "debug")
		if err != nil {
			t.Fatal(err)
		}
		traces, err := telemetry.OpenTraces(telemetry.TraceOptions{Endpoint: collector.URL, Sample: 1, Log: log, Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		ctx, done := Follow(log, traces, time.Now)(t.Context(), 42)
		done(tc.look)
		traces.Close(t.Context())
		var line map[string]any
		if err := json.Unmarshal(out.Bytes(), &line); err != nil {
			t.Fatalf("%s: %v: %s", name, err, out.String())
		}
		if line["level"] != tc.level || line["stage"] != tc.stage || !cmp.Equal(line["chain"], tc.chain) || line["run"] != 7.0 || line["channel"] != 42.0 {
			t.Errorf("%s: got %v, want %s, stage %v, chain %v", name, line, tc.level, tc.stage, tc.chain)
		}
		if id := trace.SpanContextFromContext(ctx).TraceID().String(); line["trace_id"] != id {
			t.Errorf("%s: got trace %v, want %s", name, line["trace_id"], id)
		}
	}
}
