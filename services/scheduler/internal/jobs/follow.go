package jobs

import (
	"context"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/tidemark/tidemark/kit/telemetry"
	"github.com/tidemark/tidemark/services/scheduler/internal/plan"
)

// Follow makes a trace of every look at a channel, to which all belongs that the services do for it, and writes a line into the log. A run is a trace
// of its own, not a part of its job's: a job reads a history for as long as its turn is, which no trace should hold.
func Follow(log *slog.Logger, traces *telemetry.Traces, now func() time.Time) func(context.Context, plan.ChannelID) (context.Context, func(plan.Look)) {
	tracer := traces.Tracer("scheduler")
	return func(ctx context.Context, channel plan.ChannelID) (context.Context, func(plan.Look)) {
		began := now()
		ctx, span := tracer.Start(ctx, "run", trace.WithAttributes(attribute.Int64("tidemark.channel", int64(channel))))
		return ctx, func(l plan.Look) {
			note(ctx, log, l, now().Sub(began))
			mark(span, l)
			span.End()
		}
	}
}

// mark tells a span what its run came to. The problem's text is the log's.
func mark(span trace.Span, l plan.Look) {
	span.SetAttributes(attribute.Int64("tidemark.run", int64(l.Run.ID)), attribute.String("tidemark.mode", string(l.Run.Mode)), attribute.String("tidemark.outcome", string(l.Run.Outcome)))
	if l.Problem == nil {
		return
	}
	span.SetAttributes(attribute.String("tidemark.stage", l.Run.Stage), attribute.String("tidemark.reason", l.Problem.Reason))
	if grave(l) > slog.LevelDebug {
		span.SetStatus(codes.Error, "")
	}
}

func note(ctx context.Context, log *slog.Logger, l plan.Look, took time.Duration) {
	level := grave(l)
	if !log.Enabled(ctx, level) {
		return
	}
	attrs := []any{"channel", l.Run.Channel, "run", l.Run.ID, "mode", l.Run.Mode, "outcome", l.Run.Outcome, "took", took}
	if l.Problem != nil {
		attrs = append(attrs, "stage", l.Run.Stage, "reason", l.Problem.Reason, "err", l.Problem)
	}
	log.Log(ctx, level, "run", attrs...)
}

// grave is how much a look's end concerns those who operate us: waiting, being barred and making way for another run are no failures, and are told
// by the channel's state.
func grave(l plan.Look) slog.Level {
	switch {
	case l.Problem == nil, l.Told:
		return slog.LevelDebug
	case l.Problem.Reason == "INTERNAL":
		return slog.LevelError
	case l.Problem.Kind == plan.Failed, l.Problem.Kind == plan.Refused:
		return slog.LevelWarn
	}
	return slog.LevelDebug
}
