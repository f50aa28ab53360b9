// Package rpc is how services here speak gRPC: one server, one way to dial, one error vocabulary, one rule for instants.
//
// What a handler returns crosses the wire only as a status made by Error; anything else becomes INTERNAL with a fixed text and
// is logged once, here, at the boundary.
package rpc

import (
	"context"
	"log/slog"

	grpcprom "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/tidemark/tidemark/kit/telemetry"
)

// ServerOptions are what a server needs from its process.
type ServerOptions struct {
	Log      *slog.Logger          // nil: logs nothing
	Registry prometheus.Registerer // nil: counts nothing
	Traces   *telemetry.Traces     // nil: makes none

	Credentials credentials.TransportCredentials // nil: in the clear
	Unary       grpc.UnaryServerInterceptor      // guards calls, before anything of theirs is looked at; nil: nobody does
	Stream      grpc.StreamServerInterceptor     // the same for streams
}

// NewServer makes a gRPC server with our interceptors; it serves nothing yet.
func NewServer(o ServerOptions) *grpc.Server {
	metrics := grpcprom.NewServerMetrics(grpcprom.WithServerHandlingTimeHistogram())
	if o.Registry != nil {
		o.Registry.MustRegister(metrics)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o = o.open()
	b, checked, open := boundary{o.Log}, &instants{}, &streams{most: maxStreams}
	return grpc.NewServer(append(limits(),
		traced(o.Traces),
		grpc.Creds(o.Credentials),
		grpc.ChainUnaryInterceptor(metrics.UnaryServerInterceptor(), b.unary, o.Unary, deadline, checked.unary),
		grpc.ChainStreamInterceptor(metrics.StreamServerInterceptor(), b.stream, o.Stream, open.stream, checked.stream),
		grpc.ForceServerCodecV2(newTolerant()),
	)...)
}

// open is o with no door locked that nobody locked.
func (o ServerOptions) open() ServerOptions {
	if o.Credentials == nil {
		o.Credentials = insecure.NewCredentials()
	}
	if o.Unary == nil {
		o.Unary = func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
			return handler(ctx, req)
		}
	}
	if o.Stream == nil {
		o.Stream = func(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
			return handler(srv, stream)
		}
	}
	return o
}
