package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// traceparent is the name of what Traceparent answers, in HTTP headers, gRPC metadata and stream entries alike.
const traceparent = "traceparent"

// Traceparent is where ctx stands in its trace, in W3C's form, for what goes on later or elsewhere; "" if nothing is recorded.
func Traceparent(ctx context.Context) string {
	if !trace.SpanContextFromContext(ctx).IsSampled() {
		return ""
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier[traceparent]
}

// Resume is ctx in the trace that a Traceparent tells of; ctx as it is, when it tells of none.
func Resume(ctx context.Context, parent string) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{traceparent: parent})
}
