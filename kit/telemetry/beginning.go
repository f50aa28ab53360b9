package telemetry

import (
	"strings"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// beginning decides where a trace may begin: with work that a service does, or with a call that comes in. It never begins with what a service asks
// of others, so that loops which look whether there is something to do (the tick, the relay, leases, health) make no traces: neither here, nor in
// those who are asked, for they follow us. And it does not begin with a question for health or for the contract.
type beginning struct{ sdktrace.Sampler }

// ShouldSample is sdktrace.Sampler's.
func (b beginning) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	if p.Kind == trace.SpanKindClient || strings.HasPrefix(p.Name, "grpc.health.") || strings.HasPrefix(p.Name, "grpc.reflection.") {
		return sdktrace.NeverSample().ShouldSample(p)
	}
	return b.Sampler.ShouldSample(p)
}
