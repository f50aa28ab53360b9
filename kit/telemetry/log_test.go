package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark/tidemark/kit/telemetry"
)

// logged is what one line of JSON says.
func logged(t *testing.T, write func(*slog.Logger)) map[string]any {
	t.Helper()
	var out bytes.Buffer
	log, err := telemetry.Logger(&out, "json", "debug")
	if err != nil {
		t.Fatal(err)
	}
	write(log)
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	return line
}

func TestALineOfATraceTellsWhich(t *testing.T) {
	t.Parallel()
	url, _ := collector(t, func(http.ResponseWriter, *http.Request) {})
	all, none := open(t, telemetry.TraceOptions{Endpoint: url, Sample: 1}), open(t, telemetry.TraceOptions{Endpoint: url})
	ctx, span := all.Tracer("x").Start(t.Context(), "run")
	line := logged(t, func(log *slog.Logger) { log.With("a", 1).InfoContext(ctx, "hello") })
	if line["trace_id"] != span.SpanContext().TraceID().String() || line["span_id"] != span.SpanContext().SpanID().String() {
		t.Errorf("got %v, want the ids of %v", line, span.SpanContext())
	}
	unsampled, _ := none.Tracer("x").Start(t.Context(), "run")
	for name, ctx := range map[string]context.Context{"no span": t.Context(), "a span that nobody will find": unsampled} {
		line := logged(t, func(log *slog.Logger) { log.InfoContext(ctx, "hello") })
		if _, ok := line["trace_id"]; ok {
			t.Errorf("%s: got %v, want no trace", name, line)
		}
	}
}

// staged is an error that knows its stage.
type staged struct{ error }

func (e staged) Unwrap() error { return e.error }
func (staged) Stage() string   { return "save" }

func TestAnErrorTellsItsStageAndChain(t *testing.T) {
	t.Parallel()
	cause := &fs.PathError{Op: "open", Path: "/x", Err: fs.ErrNotExist}
	err := fmt.Errorf("read a page: %w", staged{fmt.Errorf("save 3 posts: %w", errors.Join(cause, errors.New("and another")))})
	line := logged(t, func(log *slog.Logger) { log.Error("run", "err", err) })
	want := []any{"read a page", "telemetry_test.staged", "save 3 posts", "fs.PathError: open /x", "file does not exist", "and another"}
	if diff := cmp.Diff(want, line["chain"]); diff != "" {
		t.Errorf("chain (-want +got):\n%s", diff)
	}
	if line["stage"] != "save" || line["err"] != err.Error() {
		t.Errorf("got stage %v, err %v, want save, %v", line["stage"], line["err"], err)
	}
	if own := logged(t, func(log *slog.Logger) { log.Warn("run", "err", err, "stage", "parse") }); own["stage"] != "parse" {
		t.Errorf("got stage %v, want the writer's own", own["stage"])
	}
	for name, write := range map[string]func(*slog.Logger){
		"below WARN":      func(log *slog.Logger) { log.Info("run", "err", err) },
		"nothing wrapped": func(log *slog.Logger) { log.Error("run", "err", errors.New("plain")) },
		"a text":          func(log *slog.Logger) { log.Error("run", "err", err.Error()) },
	} {
		if line := logged(t, write); line["chain"] != nil {
			t.Errorf("%s: got a chain: %v", name, line)
		}
	}
}

func TestAChainHasAnEnd(t *testing.T) {
	t.Parallel()
	err := errors.New("first")
	for i := range 100 {
		err = fmt.Errorf("link %d: %w", i, err)
	}
	if chain := telemetry.Chain(err); len(chain) != 20 || chain[0] != "link 99" {
		t.Errorf("got %d links, %v, want the 20 outermost", len(chain), chain)
	}
}
