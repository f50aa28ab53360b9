package rpc

import (
	"context"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/test/bufconn"
)

// maxReconnect is the longest wait before a lost service is tried again: it is back within seconds of its own return.
const maxReconnect = 5 * time.Second

// Dial connects lazily to a service in the clear, which is for loopback and private networks. It does not retry: whoever drives the work
// does, in one place.
func Dial(target string, extra ...grpc.DialOption) (*grpc.ClientConn, error) {
	opts := append([]grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 10 * time.Second}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(MaxAnswer)),
		grpc.WithDisableServiceConfig(),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 200 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: maxReconnect},
			MinConnectTimeout: maxReconnect,
		}),
		grpc.WithChainUnaryInterceptor(passRequestID),
		grpc.WithChainStreamInterceptor(passRequestIDOfStream),
	}, extra...)
	return grpc.NewClient(target, opts...)
}

// Loopback joins services of one process: the same interceptors and serialization as over a network, without a port.
type Loopback struct{ listener *bufconn.Listener }

// NewLoopback makes an in-memory network of one address.
func NewLoopback() *Loopback { return &Loopback{bufconn.Listen(1 << 20)} }

// Listener is the end to serve on.
func (l *Loopback) Listener() net.Listener { return l.listener }

// Dial is the end to call from.
func (l *Loopback) Dial(extra ...grpc.DialOption) (*grpc.ClientConn, error) {
	return Dial("passthrough:///loopback", append(extra, grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
		return l.listener.DialContext(ctx)
	}))...)
}

// Close ends the network; a server that serves it ends with it.
func (l *Loopback) Close() error { return l.listener.Close() }
