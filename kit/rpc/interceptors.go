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
	"google.golang.org/protobuf/proto"
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

// instants refuses zero and out-of-range Timestamps in any request.
func instants(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if err := checkInstants(req.(proto.Message)); err != nil {
		return nil, err
	}
	return handler(ctx, req)
}

func streamInstants(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	return handler(srv, checkedStream{stream})
}

type checkedStream struct{ grpc.ServerStream }

func (s checkedStream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	return checkInstants(m.(proto.Message))
}

// boundary logs a call once, turns what is no status into INTERNAL with a fixed text, and survives a panic.
type boundary struct{ log *slog.Logger }

func (b boundary) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (resp any, err error) {
	start := time.Now()
	defer func() { err = b.finish(ctx, info.FullMethod, start, err, recover()) }()
	return handler(ctx, req)
}

func (b boundary) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	start := time.Now()
	defer func() { err = b.finish(stream.Context(), info.FullMethod, start, err, recover()) }()
	return handler(srv, stream)
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
		attrs := []any{"method", method, "code", status.Code(sent).String(), "took", time.Since(start)}
		if err != nil {
			attrs = append(attrs, "err", err.Error())
		}
		b.log.Log(ctx, level, "call", attrs...)
	}
	return sent
}

// public is what may cross the wire: a status of ours, a cancelled call, or INTERNAL without any text of a driver.
func public(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if s, ok := statusOf(err); ok {
		return s.Err()
	}
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return status.Error(codes.Canceled, "the caller went away")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(ctx.Err(), context.DeadlineExceeded):
		return Error(codes.DeadlineExceeded, "DEADLINE_EXCEEDED", "the call ran out of time; it is safe to repeat")
	}
	s, _ := statusOf(Error(codes.Internal, "INTERNAL", "internal error; the service's log has it"))
	return s.Err()
}
