package run

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
)

// bound are the ports of a process; one that is not asked for is nil.
type bound struct{ grpc, http net.Listener }

func bind(ctx context.Context, o Options) (b bound, err error) {
	if b.grpc, err = listen(ctx, o.GRPCAddr, "--grpc-addr"); err != nil {
		return b, err
	}
	if b.http, err = listen(ctx, o.HTTPAddr, "--http-addr"); err != nil && b.grpc != nil {
		_ = b.grpc.Close()
	}
	return b, err
}

func (b bound) addresses() (grpcAddr, httpAddr net.Addr) {
	if b.grpc != nil {
		grpcAddr = b.grpc.Addr()
	}
	if b.http != nil {
		httpAddr = b.http.Addr()
	}
	return grpcAddr, httpAddr
}

func listen(ctx context.Context, addr, flag string) (net.Listener, error) {
	if addr == "" {
		return nil, nil
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("address %s is in use: stop what runs there, or choose another with %s", addr, flag)
	} else if err != nil {
		return nil, fmt.Errorf("listen on %s (%s): %w", addr, flag, err)
	}
	return l, nil
}
