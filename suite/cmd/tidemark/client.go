package main

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tidemark/tidemark/kit/rpc"
)

// remote is a running Tidemark.
type remote struct {
	Addr string `help:"gRPC address of a running Tidemark." default:"127.0.0.1:8010"`
}

// with calls fn with a connection, and says what to do when nobody answers.
func (r remote) with(fn func(*grpc.ClientConn) error) error {
	conn, err := rpc.Dial(r.Addr)
	if err != nil {
		return fmt.Errorf("address %q: %w", r.Addr, err)
	}
	defer func() { _ = conn.Close() }()
	err = fn(conn)
	if status.Code(err) == codes.Unavailable && rpc.Reason(err) == "" {
		return fmt.Errorf("no Tidemark answers at %s: start one with `tidemark up` or `tidemark demo`, or name another with --addr", r.Addr)
	}
	return err
}

// callTimeout bounds a command's single call; resolving a channel may wait for Telegram.
const callTimeout = 90 * time.Second

func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, callTimeout)
}

// isInvalid is true when the same call with another value may succeed.
func isInvalid(err error) bool { return status.Code(err) == codes.InvalidArgument }
