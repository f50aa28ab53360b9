package telemetry_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/tidemark/tidemark/kit/telemetry"
)

// collector counts what is sent to it, and answers as it is told.
func collector(t *testing.T, answer http.HandlerFunc) (url string, got *atomic.Int64) {
	t.Helper()
	got = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		got.Add(1)
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, got
}

func open(t *testing.T, o telemetry.TraceOptions) *telemetry.Traces {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Now = time.Now
	traces, err := telemetry.OpenTraces(o)
	if err != nil {
		t.Fatal(err)
	}
	return traces
}

func TestWithoutAnEndpointThereAreNoTraces(t *testing.T) {
	t.Parallel()
	traces := open(t, telemetry.TraceOptions{Sample: 1})
	if traces != nil {
		t.Fatalf("got %v, want nil", traces)
	}
	_, span := traces.Tracer("x").Start(t.Context(), "work")
	if span.IsRecording() || span.SpanContext().IsValid() {
		t.Error("a span is made")
	}
	traces.Close(t.Context())
}

func TestTraceOptionsThatMeanNothing(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		endpoint string
		sample   float64
	}{
		"no scheme": {"localhost:4318", 1}, "gRPC": {"grpc://localhost:4317", 1}, "no host": {"http://", 1}, "a password": {"http://me:pw@localhost:4318", 1},
		"too little": {"http://localhost:4318", -0.1}, "too much": {"http://localhost:4318", 1.1},
	} {
		traces, err := telemetry.OpenTraces(telemetry.TraceOptions{Endpoint: tc.endpoint, Sample: tc.sample})
		if err == nil || traces != nil || !strings.Contains(err.Error(), "--otlp-") || strings.Contains(err.Error(), "pw") {
			t.Errorf("%s: got %v, %v, want an error that names the flag, and nothing secret", name, traces, err)
		}
	}
}

func TestWhereATraceMayBegin(t *testing.T) {
	t.Parallel()
	url, _ := collector(t, func(http.ResponseWriter, *http.Request) {})
	all, none := open(t, telemetry.TraceOptions{Endpoint: url, Sample: 1}), open(t, telemetry.TraceOptions{Endpoint: url})
	began, work := all.Tracer("x").Start(t.Context(), "run")
	for name, tc := range map[string]struct {
		ctx    context.Context
		traces *telemetry.Traces
		span   string
		kind   trace.SpanKind
		want   bool
	}{
		"work":                               {t.Context(), all, "run", trace.SpanKindInternal, true},
		"a call that comes in":               {t.Context(), all, "tidemark.parser.v1.PostService/ListPosts", trace.SpanKindServer, true},
		"what a loop asks":                   {t.Context(), all, "postgres SELECT", trace.SpanKindClient, false},
		"a question for health":              {t.Context(), all, "grpc.health.v1.Health/Check", trace.SpanKindServer, false},
		"what is asked in a trace":           {began, all, "postgres SELECT", trace.SpanKindClient, true},
		"work of which none is wanted":       {t.Context(), none, "run", trace.SpanKindInternal, false},
		"what another began, sampling aside": {began, none, "a call", trace.SpanKindServer, true},
	} {
		_, span := tc.traces.Tracer("x").Start(tc.ctx, tc.span, trace.WithSpanKind(tc.kind))
		if got := span.IsRecording(); got != tc.want {
			t.Errorf("%s: traced %v, want %v", name, got, tc.want)
		}
		span.End()
	}
	work.End()
	all.Close(t.Context())
	none.Close(t.Context())
}

func TestCloseSendsTheLastSpans(t *testing.T) {
	t.Parallel()
	url, got := collector(t, func(http.ResponseWriter, *http.Request) {})
	traces := open(t, telemetry.TraceOptions{Endpoint: url, Sample: 1})
	_, span := traces.Tracer("x").Start(t.Context(), "run")
	span.End()
	traces.Close(t.Context())
	if n := got.Load(); n != 1 {
		t.Errorf("got %d requests, want one", n)
	}
}

func TestACollectorThatHangsHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	hung := make(chan struct{})
	url, _ := collector(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hung:
		case <-r.Context().Done():
		}
	})
	defer close(hung)
	traces := open(t, telemetry.TraceOptions{Endpoint: url, Sample: 1})
	began := time.Now()
	for range 20_000 { // more than can wait
		_, span := traces.Tracer("x").Start(t.Context(), "run")
		span.End()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	traces.Close(ctx)
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestACollectorThatRefusesIsComplainedAboutOnce(t *testing.T) {
	t.Parallel()
	url, got := collector(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	var out bytes.Buffer
	traces := open(t, telemetry.TraceOptions{Endpoint: url, Sample: 1, Log: slog.New(slog.NewTextHandler(&out, nil))})
	for range 2000 { // some batches
		_, span := traces.Tracer("x").Start(t.Context(), "run")
		span.End()
	}
	traces.Close(t.Context()) // what follows is read after everything was written
	if n := strings.Count(out.String(), "traces are not taken"); n != 1 || got.Load() < 2 || !strings.Contains(out.String(), "503") {
		t.Errorf("got %d complaints about %d refusals, want one: %s", n, got.Load(), out.String())
	}
}
