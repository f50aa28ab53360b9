package run

import (
	"net/http"
	"os"
	"strings"
	"testing"
)

func TestProfilesAreServedAndTheCommandLineIsNot(t *testing.T) {
	t.Parallel()
	h := serve(t, newFake("one", make(chan string, 1)))
	defer h.stop()
	for path, want := range map[string]string{"/debug/pprof/": "goroutine", "/debug/pprof/goroutine?debug=1": "goroutine profile", "/debug/pprof/heap?debug=1": "heap profile", "/debug/pprof/profile?seconds=1": "", "/debug/pprof/symbol": "num_symbols"} {
		if code, body := h.get(t, path); code != http.StatusOK || !strings.Contains(body, want) || body == "" {
			t.Errorf("%s: got %d %.60q, want %q", path, code, body, want)
		}
	}
	if code, body := h.get(t, "/debug/pprof/cmdline"); code != http.StatusNotFound || strings.Contains(body, os.Args[0]) {
		t.Errorf("the command line: got %d %q", code, body)
	}
}
