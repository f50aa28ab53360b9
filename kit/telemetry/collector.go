package telemetry

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collector is the other end of OTLP/HTTP. The protocol is one POST, so it is spelled out here: its usual client brings a gateway and a codec
// along that double what tracing adds to a program.
type collector struct {
	url  string
	http *http.Client
}

func newCollector(to *url.URL) *collector {
	return &collector{to.JoinPath("v1", "traces").String(), &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, IdleConnTimeout: time.Minute}}}
}

// Start is otlptrace.Client's: there is nothing to begin.
func (c *collector) Start(context.Context) error { return nil }

// Stop is otlptrace.Client's.
func (c *collector) Stop(context.Context) error {
	c.http.CloseIdleConnections()
	return nil
}

// UploadTraces is otlptrace.Client's. TracesData is, byte for byte, what an ExportTraceServiceRequest is.
func (c *collector) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	if err != nil {
		return fmt.Errorf("encode spans: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("the collector answers %s", resp.Status)
	}
	return nil
}

// complainEvery is how often a collector that does not take spans is complained about.
const complainEvery = 5 * time.Minute

// patient drops what a collector does not take, and says so now and then: a service does not suffer with those who watch it.
type patient struct {
	sdktrace.SpanExporter
	log *slog.Logger
	to  string
	now func() time.Time

	mu      sync.Mutex
	said    time.Time // when it was last complained; zero while all is well
	dropped int       // spans since
}

// ExportSpans is sdktrace.SpanExporter's; it does not fail.
func (p *patient) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := p.SpanExporter.ExportSpans(ctx, spans)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch now := p.now(); {
	case err == nil && !p.said.IsZero():
		p.log.Info("traces are taken again", "collector", p.to, "dropped", p.dropped)
		p.said, p.dropped = time.Time{}, 0
	case err != nil:
		p.dropped += len(spans)
		if p.said.IsZero() || now.Sub(p.said) >= complainEvery {
			p.log.Warn("traces are not taken: they are dropped", "collector", p.to, "dropped", p.dropped, "err", err)
			p.said, p.dropped = now, 0
		}
	}
	return nil
}
