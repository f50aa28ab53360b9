package run

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHealthy(t *testing.T) {
	t.Parallel()
	code := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/health" {
			w.WriteHeader(code)
		}
		_, _ = w.Write([]byte(`{"status":"as it is"}`))
	}))
	defer server.Close()
	addr := server.Listener.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	for _, a := range []string{addr, ":" + port, "0.0.0.0:" + port} {
		var said bytes.Buffer
		if err := Healthy(t.Context(), &said, a); err != nil || said.String() != `{"status":"as it is"}` {
			t.Errorf("%s: got %v, %q", a, err, said.String())
		}
	}
	code = http.StatusServiceUnavailable
	var said bytes.Buffer
	if err := Healthy(t.Context(), &said, addr); err == nil || !strings.Contains(said.String(), "as it is") {
		t.Errorf("got %v, %q of a process that is not healthy, want an error and what it says", err, said.String())
	}
	server.Close()
	if err := Healthy(t.Context(), &said, addr); err == nil || !strings.Contains(err.Error(), "nobody answers at "+addr) {
		t.Errorf("got %v where nobody serves", err)
	}
	if err := Healthy(t.Context(), &said, "nonsense"); !errors.As(err, &UsageError{}) {
		t.Errorf("got %v for no address, want a usage error", err)
	}
}
