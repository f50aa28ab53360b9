package parser

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/tidemark/tidemark/kit/telemetry"
)

// calling makes a span of what Telegram is asked while something is traced, with the waits that it asks for. Of what is asked about, and of the answer,
// it tells nothing.
func calling(t *telemetry.Traces) func(context.Context, string) (context.Context, func(error)) {
	tracer := t.Tracer("telegram")
	return func(ctx context.Context, method string) (context.Context, func(error)) {
		if !trace.SpanFromContext(ctx).IsRecording() {
			return ctx, func(error) {}
		}
		ctx, span := tracer.Start(ctx, "telegram "+method, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attribute.String("rpc.method", method)))
		return ctx, func(err error) {
			if err != nil {
				span.SetStatus(codes.Error, "")
			}
			span.End()
		}
	}
}
