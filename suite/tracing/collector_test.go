package tracing

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
)

// collector takes what services send by OTLP/HTTP.
type collector struct {
	url string

	mu     sync.Mutex
	traces map[string][]span // by id, in hex
	said   strings.Builder   // all of it, as text
	broken error
}

// span is one of a service's.
type span struct {
	*tracepb.Span
	service string
}

func listen(t *testing.T) *collector {
	t.Helper()
	c := &collector{traces: map[string][]span{}}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

// ServeHTTP is http.Handler's.
func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in collectorpb.ExportTraceServiceRequest
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = proto.Unmarshal(body, &in)
	}
	if r.Method != http.MethodPost || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" || err != nil {
		err = fmt.Errorf("%s %s, %s: %w", r.Method, r.URL.Path, r.Header.Get("Content-Type"), err)
		w.WriteHeader(http.StatusBadRequest)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.broken = err
		return
	}
	c.said.WriteString(prototext.Format(&in))
	for _, of := range in.GetResourceSpans() {
		for _, by := range of.GetScopeSpans() {
			for _, s := range by.GetSpans() {
				id := fmt.Sprintf("%x", s.GetTraceId())
				c.traces[id] = append(c.traces[id], span{s, text(of.GetResource().GetAttributes(), "service.name")})
			}
		}
	}
}

// look hands out what came so far.
func (c *collector) look(fn func(traces map[string][]span, said string)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	fn(c.traces, c.said.String())
	return c.broken
}

func text(attributes []*commonpb.KeyValue, key string) string {
	for _, a := range attributes {
		if a.GetKey() == key {
			return a.GetValue().GetStringValue()
		}
	}
	return ""
}

func number(attributes []*commonpb.KeyValue, key string) int64 {
	for _, a := range attributes {
		if a.GetKey() == key {
			return a.GetValue().GetIntValue()
		}
	}
	return 0
}
