package run

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/tidemark/tidemark/kit/telemetry"
)

func TestTracesAreOffUnlessTheyAreWanted(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	if traces, err := Defaults[Process]().Traces("x", log); err != nil || traces != nil {
		t.Errorf("got %v, %v, want nothing", traces, err)
	}
	var c struct{ Process }
	if _, err := parse("scheduler", "", nil, []string{"SCHEDULER_OTLP_ENDPOINT=http://127.0.0.1:4318", "SCHEDULER_OTLP_SAMPLE=0.25"}, &c, io.Discard); err != nil {
		t.Fatal(err)
	}
	if traces, err := c.Traces("scheduler", log); err != nil || traces == nil || c.OTLPSample != 0.25 {
		t.Errorf("got %v, %v of %+v, want traces", traces, err, c)
	} else {
		traces.Close(t.Context())
	}
	c.OTLPEndpoint = "127.0.0.1:4318"
	if _, err := c.Traces("scheduler", log); !errors.As(err, &UsageError{}) {
		t.Errorf("got %v, want an error of usage", err)
	}
}

// last is a service that works until its very end.
type last struct {
	traces *telemetry.Traces
	ctx    context.Context
}

func (last) Name() string                   { return "last" }
func (last) Register(grpc.ServiceRegistrar) {}
func (last) Ready(context.Context) error    { return nil }
func (last) Run(ctx context.Context) error  { <-ctx.Done(); return nil }
func (l last) span(name string) {
	_, s := l.traces.Tracer("last").Start(l.ctx, name)
	s.End()
}
func (l last) Close() { l.span("close") }

// The last span of a service is sent after it was closed; and a collector that hangs does not keep the process.
func TestTheLastTracesAreSentAtTheEnd(t *testing.T) {
	t.Parallel()
	for name, hangs := range map[string]bool{"a collector": false, "one that hangs": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var sent atomic.Int64
			release := make(chan struct{})
			collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				n, _ := io.Copy(io.Discard, r.Body)
				sent.Add(n)
				if hangs {
					<-release
				}
			}))
			defer collector.Close()
			defer close(release)
			traces, err := Process{OTLPEndpoint: collector.URL, OTLPSample: 1}.Traces("last", slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			stop()
			began := time.Now()
			if err := Serve(ctx, Options{Traces: traces}, last{traces, t.Context()}); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); sent.Load() == 0 || took > 3*time.Second {
				t.Errorf("sent %d bytes, ended after %s", sent.Load(), took)
			}
		})
	}
}
