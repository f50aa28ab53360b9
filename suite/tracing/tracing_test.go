package tracing

import (
	"bufio"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

func TestARunIsOneTrace(t *testing.T) {
	c := listen(t)
	h := build(t, c.url, three)
	h.login()
	channel := h.follow()
	h.stop()
	if err := c.look(func(traces map[string][]span, said string) {
		id, run := h.runOf(traces, channel)
		h.whole(traces[id])
		h.inLog(id, run)
		h.quiet(traces)
		h.discreet(said)
	}); err != nil {
		t.Error(err)
	}
}

// runOf finds the run that read the history, and holds that no run is in two traces.
func (h *house) runOf(traces map[string][]span, channel int64) (id string, run int64) {
	h.Helper()
	seen := map[int64]string{}
	for trace, spans := range traces {
		for _, s := range spans {
			n := number(s.GetAttributes(), "tidemark.run")
			if n == 0 {
				continue
			}
			if other := seen[n]; other != "" {
				h.Errorf("run %d is in the traces %s and %s", n, other, trace)
			}
			seen[n] = trace
			if s.GetName() == "run" && text(s.GetAttributes(), "tidemark.mode") == "historical" && text(s.GetAttributes(), "tidemark.outcome") == "done" &&
				number(s.GetAttributes(), "tidemark.channel") == channel {
				id, run = trace, n
			}
		}
	}
	if id == "" {
		h.Fatalf("no trace of the run that read the history; runs: %v", seen)
	}
	return id, run
}

// whole holds that a trace is one tree, and that everybody who took part in the run is in it.
func (h *house) whole(spans []span) {
	h.Helper()
	known, had := map[string]bool{}, map[string]bool{}
	for _, s := range spans {
		known[string(s.GetSpanId())] = true
		store, _, _ := strings.Cut(s.GetName(), " ")
		had[s.service+" "+store] = true
		if s.GetEndTimeUnixNano() < s.GetStartTimeUnixNano() || s.GetStartTimeUnixNano() == 0 {
			h.Errorf("%s of %s lasted from %d to %d", s.GetName(), s.service, s.GetStartTimeUnixNano(), s.GetEndTimeUnixNano())
		}
	}
	var roots []string
	for _, s := range spans {
		if len(s.GetParentSpanId()) == 0 {
			roots = append(roots, s.service+" "+s.GetName())
		} else if !known[string(s.GetParentSpanId())] {
			h.Errorf("%s of %s hangs in the air", s.GetName(), s.service)
		}
	}
	if !slices.Equal(roots, []string{"scheduler run"}) {
		h.Errorf("the trace begins with %v, want the scheduler's run", roots)
	}
	for _, want := range []string{
		"scheduler run", "scheduler postgres", "scheduler tidemark.parser.v1.ParserService/ParseChannel", "scheduler tidemark.watermark.v1.WatermarkService/AdvanceWatermark",
		"parser tidemark.parser.v1.ParserService/ParseChannel", "parser telegram", "parser postgres", "parser publish", "parser redis",
		"watermark tidemark.watermark.v1.WatermarkService/AdvanceWatermark", "watermark postgres",
	} {
		if !had[want] {
			h.Errorf("the trace holds nothing of %q, only %v", want, had)
		}
	}
}

// inLog holds that each service's log can be searched for a run's trace.
func (h *house) inLog(id string, run int64) {
	h.Helper()
	said, ofRun := map[string]int{}, 0
	for lines := bufio.NewScanner(strings.NewReader(h.logs.String())); lines.Scan(); {
		var line struct {
			Service string `json:"service"`
			Msg     string `json:"msg"`
			Run     int64  `json:"run"`
			Trace   string `json:"trace_id"`
			Span    string `json:"span_id"`
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			h.Fatalf("%v: %s", err, lines.Text())
		}
		if line.Trace == id && len(line.Span) == 16 {
			said[line.Service]++
		}
		if line.Service == "scheduler" && line.Msg == "run" && line.Run == run {
			if ofRun++; line.Trace != id {
				h.Errorf("the line of run %d tells the trace %q, want %s", run, line.Trace, id)
			}
		}
	}
	if ofRun != 1 || said["parser"] == 0 || said["watermark"] == 0 {
		h.Errorf("got %d lines of the run, %v of its trace, want one, and some of each service", ofRun, said)
	}
}

// asked are the calls that this test makes.
var asked = []string{
	"tidemark.parser.v1.AccountService/StartLogin", "tidemark.parser.v1.AccountService/SubmitCode",
	"tidemark.scheduler.v1.ChannelService/AddChannel", "tidemark.scheduler.v1.ChannelService/GetChannel",
}

// quiet holds that traces begin with work and with calls from outside, and never with a look whether there is something to do.
func (h *house) quiet(traces map[string][]span) {
	h.Helper()
	for id, spans := range traces {
		var roots []span
		for _, s := range spans {
			if len(s.GetParentSpanId()) == 0 {
				roots = append(roots, s)
			}
		}
		if len(roots) != 1 {
			h.Errorf("the trace %s begins %d times, of %d spans", id, len(roots), len(spans))
			continue
		}
		if s := roots[0]; s.GetName() != "run" && (s.GetKind() != tracepb.Span_SPAN_KIND_SERVER || !slices.Contains(asked, s.GetName())) {
			h.Errorf("a trace begins with %s of %s, which nobody asked for", s.GetName(), s.service)
		}
	}
}

// discreet holds that nothing is told of what was read, by whom, and of how to get in.
func (h *house) discreet(said string) {
	h.Helper()
	account := h.world.Accounts()[0]
	secrets := []string{account.Phone, strings.TrimPrefix(account.Phone, "+"), h.world.Summaries()[0].Username}
	database, err := url.Parse(h.database.Reveal())
	if err != nil {
		h.Fatal(err)
	}
	if password, ok := database.User.Password(); ok && password != "" {
		secrets = append(secrets, password)
	} else {
		h.Error("the database has no password that could be told")
	}
	truth, err := h.world.Truth(h.world.Summaries()[0].Username)
	if err != nil {
		h.Fatal(err)
	}
	for _, p := range truth.Posts {
		if len(p.Text) > 8 {
			secrets = append(secrets, p.Text, p.Text[:9])
		}
	}
	if len(said) < 10_000 || len(secrets) < 50 {
		h.Fatalf("%d bytes of spans and %d secrets prove little", len(said), len(secrets))
	}
	for _, s := range secrets {
		if strings.Contains(said, s) {
			h.Errorf("a span says %q", s)
		}
	}
}

func TestInOneProcessARunIsOneTraceToo(t *testing.T) {
	c := listen(t)
	h := build(t, c.url, up)
	h.login()
	channel := h.follow()
	h.stop()
	if err := c.look(func(traces map[string][]span, said string) {
		id, _ := h.runOf(traces, channel)
		had := map[string]bool{}
		for _, s := range traces[id] {
			kind, _, _ := strings.Cut(s.GetName(), " ")
			had[s.GetKind().String()+" "+kind] = true
		}
		for _, want := range []string{
			"SPAN_KIND_SERVER tidemark.parser.v1.ParserService/ParseChannel", "SPAN_KIND_SERVER tidemark.watermark.v1.WatermarkService/AdvanceWatermark",
			"SPAN_KIND_CLIENT postgres", "SPAN_KIND_CLIENT redis", "SPAN_KIND_CLIENT telegram",
		} {
			if !had[want] {
				t.Errorf("the trace holds nothing of %q, only %v", want, had)
			}
		}
		h.quiet(traces)
		h.discreet(said)
	}); err != nil {
		t.Error(err)
	}
}

func TestWithoutAnEndpointNothingIsTraced(t *testing.T) {
	c := listen(t)
	h := build(t, "", three)
	h.login()
	h.follow()
	h.stop()
	if err := c.look(func(traces map[string][]span, _ string) {
		if len(traces) != 0 {
			t.Errorf("got %d traces, want none", len(traces))
		}
	}); err != nil {
		t.Error(err)
	}
	if log := h.logs.String(); strings.Contains(log, "trace_id") || !strings.Contains(log, `"msg":"run"`) {
		t.Error("the log tells of traces, or not of runs")
	}
}
