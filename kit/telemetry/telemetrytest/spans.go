// Package telemetrytest takes traces as a collector does, so that a test sees what leaves the process.
package telemetrytest

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/tidemark/tidemark/kit/telemetry"
)

// Open makes traces that are kept. sent closes them, and answers all spans that were made.
func Open(t testing.TB) (traces *telemetry.Traces, sent func() []*tracepb.Span) {
	t.Helper()
	var mu sync.Mutex
	var spans []*tracepb.Span
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var in tracepb.TracesData
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = proto.Unmarshal(body, &in)
		}
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			t.Errorf("what is sent to a collector: %v", err)
		}
		for _, of := range in.GetResourceSpans() {
			for _, by := range of.GetScopeSpans() {
				spans = append(spans, by.GetSpans()...)
			}
		}
	}))
	t.Cleanup(server.Close)
	traces, err := telemetry.OpenTraces(telemetry.TraceOptions{Endpoint: server.URL, Sample: 1, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return time.Time{} }})
	if err != nil {
		t.Fatal(err)
	}
	return traces, func() []*tracepb.Span {
		t.Helper()
		traces.Close(t.Context())
		mu.Lock()
		defer mu.Unlock()
		return spans
	}
}
