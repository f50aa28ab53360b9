package outbox

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/tidemark/tidemark/kit/telemetry"
	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

// span makes a span of a batch in each trace that stored some of it. What Redis is asked for all of them is told in the trace that has the most.
func (r *Relay) span(ctx context.Context, events []ingest.Outgoing) (context.Context, func(error)) {
	inMost, spans, most := ctx, []trace.Span(nil), 0
	for parent, n := range causes(events) {
		its, span := r.tracer.Start(telemetry.Resume(ctx, parent), "publish", trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(attribute.Int("tidemark.events", n)))
		if spans = append(spans, span); n > most {
			inMost, most = its, n
		}
	}
	return inMost, func(err error) {
		for _, s := range spans {
			if err != nil {
				s.SetStatus(codes.Error, "")
			}
			s.End()
		}
	}
}

// causes counts events by what stored them, if that was traced.
func causes(events []ingest.Outgoing) map[string]int {
	var n map[string]int
	for i := range events {
		if parent := events[i].Traceparent; parent != "" {
			if n == nil {
				n = map[string]int{}
			}
			n[parent]++
		}
	}
	return n
}
