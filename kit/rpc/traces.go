package rpc

import (
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"google.golang.org/grpc"

	"github.com/tidemark/tidemark/kit/telemetry"
)

// Traced makes spans of the calls of a connection, and takes the trace along to whoever is called; nothing without traces.
func Traced(t *telemetry.Traces) grpc.DialOption {
	if t == nil {
		return grpc.EmptyDialOption{}
	}
	return grpc.WithStatsHandler(otelgrpc.NewClientHandler(otel(t)...))
}

// traced does the same for the calls that come in.
func traced(t *telemetry.Traces) grpc.ServerOption {
	if t == nil {
		return grpc.EmptyServerOption{}
	}
	return grpc.StatsHandler(otelgrpc.NewServerHandler(otel(t)...))
}

// otel hands in all that would be taken from globals; calls are counted elsewhere.
func otel(t *telemetry.Traces) []otelgrpc.Option {
	return []otelgrpc.Option{otelgrpc.WithTracerProvider(t.Provider()), otelgrpc.WithMeterProvider(noop.NewMeterProvider()), otelgrpc.WithPropagators(propagation.TraceContext{})}
}
