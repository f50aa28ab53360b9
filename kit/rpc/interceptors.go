package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// defaultDeadline bounds a unary call whose caller set none.
	defaultDeadline = 60 * time.Second
	// leastTime is what a call must have left to be worth starting.
	leastTime = 100 * time.Millisecond
	// shaved is kept back from the caller's deadline, so that we can still say why it ran out.
	shaved = 20 * time.Millisecond
)

// deadline gives every unary call a deadline a little before its caller's.
func deadline(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	until, ok := ctx.Deadline()
	if !ok {
		until = time.Now().Add(defaultDeadline)
	} else if time.Until(until) < leastTime {
		return nil, Error(codes.DeadlineExceeded, "DEADLINE_TOO_SHORT", fmt.Sprintf("less than %s left: give the call more time", leastTime))
	}
	ctx, cancel := context.WithDeadline(ctx, until.Add(-shaved))
	defer cancel()
	return handler(ctx, req)
}

// boundary logs a call once, turns what is no status into INTERNAL with a fixed text, and survives a panic.
type boundary struct{ log *slog.Logger }

func (b boundary) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (resp any, err error) {
	start, ctx := time.Now(), withRequestID(ctx)
	defer func() { err = b.finish(ctx, info.FullMethod, start, err, recover()) }()
	return handler(ctx, req)
}

func (b boundary) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	start, ctx := time.Now(), withRequestID(stream.Context())
	defer func() { err = b.finish(ctx, info.FullMethod, start, err, recover()) }()
	return handler(srv, streamWith{stream, ctx})
}

func (b boundary) finish(ctx context.Context, method string, start time.Time, err error, panicked any) error {
	if panicked != nil {
		err = fmt.Errorf("panic: %v\n%s", panicked, debug.Stack())
	}
	sent := public(ctx, err)
	level := slog.LevelDebug
	switch status.Code(sent) {
	case codes.Internal, codes.Unknown, codes.DataLoss:
		level = slog.LevelError
	case codes.Unavailable:
		level = slog.LevelWarn
	}
	if b.log.Enabled(ctx, level) {
		attrs := []any{"request", RequestID(ctx), "method", method, "code", status.Code(sent).String(), "took", time.Since(start)}
		if err != nil {
			attrs = append(attrs, "err", err)
		}
		b.log.Log(ctx, level, "call", attrs...)
	}
	return sent
}

// public is what may cross the wire: a status that says something, a cancelled call, or INTERNAL without any text of a driver.
func public(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if s, ok := statusOf(err); ok && s.Code() != codes.Unknown && s.Code() != codes.OK {
		return s.Err()
	}
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return status.Error(codes.Canceled, "the caller went away")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(ctx.Err(), context.DeadlineExceeded):
		return Error(codes.DeadlineExceeded, "DEADLINE_EXCEEDED", "the call ran out of time; it is safe to repeat")
	}
	s, _ := statusOf(Error(codes.Internal, "INTERNAL", "internal error; see the service's log for request "+RequestID(ctx), WithMeta("request_id", RequestID(ctx))))
	return s.Err()
}

// Code is the code with which err will cross the wire.
func Code(ctx context.Context, err error) codes.Code { return status.Code(public(ctx, err)) }
