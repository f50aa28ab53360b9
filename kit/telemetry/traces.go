package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// TraceOptions say where traces go, and whose they are.
type TraceOptions struct {
	Endpoint string  // of a collector that takes OTLP/HTTP: http://HOST:4318; "" is nowhere
	Sample   float64 // share of traces that are made, 0 to 1
	Service  string
	Version  string
	Log      *slog.Logger
	Now      func() time.Time
}

// Traces makes spans and sends them to a collector. A nil one makes none, and costs nothing.
type Traces struct{ provider *sdktrace.TracerProvider }

const (
	// queued is how many spans wait for a collector at most; more are dropped, nobody waits.
	queued = 8192
	// sendEvery is how long a span waits for others at most, sendWithin how long a collector may take for a batch of them.
	sendEvery, sendWithin = 2 * time.Second, 5 * time.Second
)

// OpenTraces does not ask the collector anything yet: whether it is there is no business of ours. Without an endpoint it answers nil.
func OpenTraces(o TraceOptions) (*Traces, error) {
	if o.Endpoint == "" {
		return nil, nil
	}
	to, err := url.Parse(o.Endpoint)
	if err != nil || to.Scheme != "http" && to.Scheme != "https" || to.Host == "" || to.User != nil {
		return nil, errors.New("--otlp-endpoint: want http://HOST:4318 or https://HOST:4318, without a password")
	}
	if !(o.Sample >= 0 && o.Sample <= 1) { // NaN is neither
		return nil, errors.New("--otlp-sample: want 0 to 1")
	}
	sender := &patient{SpanExporter: otlptrace.NewUnstarted(newCollector(to)), log: o.Log, to: to.Host, now: o.Now}
	return &Traces{sdktrace.NewTracerProvider(
		sdktrace.WithSampler(sdktrace.ParentBased(beginning{sdktrace.TraceIDRatioBased(o.Sample)})),
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", o.Service), attribute.String("service.version", o.Version))),
		sdktrace.WithBatcher(sender, sdktrace.WithMaxQueueSize(queued), sdktrace.WithBatchTimeout(sendEvery), sdktrace.WithExportTimeout(sendWithin)),
	)}, nil
}

// Provider is for libraries; never nil.
func (t *Traces) Provider() trace.TracerProvider {
	if t == nil {
		return noop.NewTracerProvider()
	}
	return t.provider
}

// Tracer makes spans in the name of a part of the program.
func (t *Traces) Tracer(name string) trace.Tracer { return t.Provider().Tracer(name) }

// Close sends what was not sent yet, for as long as ctx allows.
func (t *Traces) Close(ctx context.Context) {
	if t != nil {
		_ = t.provider.Shutdown(ctx) // what is lost was said by its sender
	}
}
