// Package redistrace makes spans of what Redis is asked while something is traced.
//
// The usual hook writes all commands out with their arguments, whether that is wanted or not, which for a batch of events is megabytes, and puts
// Redis's complaints, which repeat them, into spans. This one tells names and numbers.
package redistrace

import (
	"context"
	"errors"
	"net"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/tidemark/tidemark/kit/telemetry"
)

// Follow makes spans of what a client is asked. Without traces it leaves the client alone.
func Follow(client *redis.Client, t *telemetry.Traces) {
	if t != nil {
		client.AddHook(hook{t.Tracer("redis")})
	}
}

type hook struct{ tracer trace.Tracer }

// DialHook is redis.Hook's; connecting is seen by the command that waits for it.
func (h hook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

// ProcessHook is redis.Hook's.
func (h hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		return h.span(ctx, cmd.FullName(), 1, func(ctx context.Context) error { return next(ctx, cmd) })
	}
}

// ProcessPipelineHook is redis.Hook's.
func (h hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		return h.span(ctx, "pipeline", len(cmds), func(ctx context.Context) error { return next(ctx, cmds) })
	}
}

func (h hook) span(ctx context.Context, name string, commands int, do func(context.Context) error) error {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return do(ctx)
	}
	ctx, span := h.tracer.Start(ctx, "redis "+name, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("db.system.name", "redis"), attribute.Int("db.operation.batch.size", commands)))
	defer span.End()
	err := do(ctx)
	if err != nil && !errors.Is(err, redis.Nil) {
		span.SetStatus(codes.Error, "")
	}
	return err
}
