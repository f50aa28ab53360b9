package run

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/tidemark/tidemark/kit/telemetry"
)

// get asks the admin port.
func (h house) get(t *testing.T, path string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+h.http+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// await waits until the admin port says code and text at path.
func (h house) await(t *testing.T, path string, code int, text string) {
	t.Helper()
	deadline, ticker := time.After(10*time.Second), time.NewTicker(20*time.Millisecond)
	defer ticker.Stop()
	for {
		gotCode, got := h.get(t, path)
		if gotCode == code && strings.Contains(got, text) {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("%s: got %d %s, want %d with %s", path, gotCode, got, code, text)
		case <-ticker.C:
		}
	}
}

func TestHealthRecoversAndLivenessStaysApart(t *testing.T) {
	t.Parallel()
	s := newFake("one", make(chan string, 1))
	h := serve(t, s)
	defer h.stop()
	conn, err := grpc.NewClient(h.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	status := func(service string) grpc_health_v1.HealthCheckResponse_ServingStatus {
		got, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: service})
		if err != nil {
			t.Fatal(err)
		}
		return got.GetStatus()
	}
	for range 2 {
		h.await(t, "/health", http.StatusOK, `"status":"SERVING"`)
		h.await(t, "/metrics", http.StatusOK, `tidemark_ready{service="one"} 1`)
		for _, service := range []string{"", "one"} {
			if got := status(service); got != grpc_health_v1.HealthCheckResponse_SERVING {
				t.Errorf("gRPC health of %q: got %s while ready", service, got)
			}
		}
		why := errors.New("nothing goes on")
		s.ready.Store(&why)
		h.await(t, "/health", http.StatusServiceUnavailable, `"reason":"nothing goes on"`)
		h.await(t, "/metrics", http.StatusOK, `tidemark_ready{service="one"} 0`)
		for _, service := range []string{"", "one"} {
			if got := status(service); got != grpc_health_v1.HealthCheckResponse_NOT_SERVING {
				t.Errorf("gRPC health of %q: got %s while not ready", service, got)
			}
		}
		if code, body := h.get(t, "/livez"); code != http.StatusOK {
			t.Errorf("/livez says %d %s of a process that lives", code, body)
		}
		s.ready.Store(nil)
	}
}

func TestANoteIsShownAndChangesNoStatus(t *testing.T) {
	t.Parallel()
	s := newFake("one", make(chan string, 1))
	note := "no account: log in"
	s.note.Store(&note)
	h := serve(t, s)
	defer h.stop()
	h.await(t, "/health", http.StatusOK, `"note":"no account: log in"`)
	none := ""
	s.note.Store(&none)
	h.await(t, "/health", http.StatusOK, `"one":{"status":"SERVING"}`)
}

// An age in a reason grows with every look, and would fill the log.
func TestAReasonThatOnlyCountsOnIsLoggedOnce(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := newFake("one", make(chan string, 1))
	h := newHealth(Options{Log: slog.New(slog.NewTextHandler(&log, nil)), Registry: telemetry.Registry("v9")}, []Service{s})
	for _, reason := range []string{"no tick for 4s", "no tick for 5s", "no tick for 1m6s", "Postgres does not answer"} {
		why := errors.New(reason)
		s.ready.Store(&why)
		h.ask(context.WithoutCancel(t.Context()), s)
	}
	if got := strings.Count(log.String(), "health"); got > 3 {
		t.Errorf("got %d lines, want one per kind of trouble: %s", got, log.String())
	}
	if !strings.Contains(log.String(), "no tick for 4s") || strings.Contains(log.String(), "no tick for 5s") || !strings.Contains(log.String(), "Postgres") {
		t.Errorf("got %s", log.String())
	}
}
