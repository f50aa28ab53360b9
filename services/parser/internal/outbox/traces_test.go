package outbox_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/tidemark/tidemark/services/parser/internal/ingest"
	"github.com/tidemark/tidemark/services/parser/internal/outbox"
	"github.com/tidemark/tidemark/services/parser/internal/postgres"
)

// TestAnEntrySaysInWhichTraceItWasStored stores before anybody publishes, in two traces and in none, as if three processes had.
func TestAnEntrySaysInWhichTraceItWasStored(t *testing.T) {
	t.Parallel()
	h := open(t)
	posts := postgres.NewPosts(h.pool, outbox.Encode, func() {})
	for i, flags := range []trace.TraceFlags{trace.FlagsSampled, trace.FlagsSampled, 0} {
		id := ingest.MessageID(i + 1)
		page := ingest.Page{Covered: ingest.Range{First: id, Last: id}, Posts: []ingest.Post{{Message: id, PostedAt: time.Now(), Text: "a"}}}
		if _, err := posts.SavePage(traced(t.Context(), byte(id), flags), 7, page, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	h.relay(t, postgres.NewOutbox(h.pool), h.redis)
	h.wait(t, 3)
	entries, err := h.redis.XRange(t.Context(), stream, "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []any{parent("1"), parent("2"), nil} {
		if got := entries[i].Values["traceparent"]; got != want {
			t.Errorf("entry %d says %v, want %v", i, got, want)
		}
	}
}

// traced is ctx in a trace whose ids consist of one byte.
func traced(ctx context.Context, b byte, flags trace.TraceFlags) context.Context {
	var c trace.SpanContextConfig
	for i := range c.TraceID {
		c.TraceID[i] = b
	}
	for i := range c.SpanID {
		c.SpanID[i] = b
	}
	c.TraceFlags = flags
	return trace.ContextWithSpanContext(ctx, trace.NewSpanContext(c))
}

// parent is the traceparent of such a trace, by https://www.w3.org/TR/trace-context/#traceparent-header.
func parent(digit string) string {
	return "00-" + strings.Repeat("0"+digit, 16) + "-" + strings.Repeat("0"+digit, 8) + "-01"
}
