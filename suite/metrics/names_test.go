package metrics

import (
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemark/tidemark/kit/env"
	"github.com/tidemark/tidemark/kit/pg/pgtest"
	"github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/kit/run"
	"github.com/tidemark/tidemark/services/parser"
	"github.com/tidemark/tidemark/services/scheduler"
	"github.com/tidemark/tidemark/services/watermark"
)

const deploy = "../../deploy"

// name is a series in a query, of ours or of the gRPC server; a histogram's come with a suffix.
var name = regexp.MustCompile(`\b(tidemark|scheduler|parser|watermark|grpc_server)_[a-z_]+\b`)

// query is where alerts and dashboards name series: expr, in YAML or JSON.
var query = regexp.MustCompile(`(?m)^\s*(?:- )?"?(?:expr|query|definition)"?: *(.+)$`)

func TestAlertsAndDashboardsNameOnlyWhatIsDeclared(t *testing.T) {
	t.Parallel()
	known := everything(t)
	named := map[string]bool{}
	err := filepath.WalkDir(deploy, func(path string, d fs.DirEntry, err error) error {
		ext := filepath.Ext(path)
		if err != nil || d.IsDir() || ext != ".json" && filepath.Base(path) != "alerts.yaml" {
			return err
		}
		body, err := os.ReadFile(path)
		for _, q := range query.FindAllStringSubmatch(string(body), -1) {
			for _, n := range name.FindAllString(q[1], -1) {
				named[n] = true
				if !slices.Contains(known, n) && !slices.Contains(known, histogram.ReplaceAllString(n, "")) {
					t.Errorf("%s names %s, which nobody declares", path, n)
				}
			}
		}
		return err
	})
	if err != nil || len(named) < 10 {
		t.Errorf("found only %d names, %v", len(named), err)
	}
}

var histogram = regexp.MustCompile(`_(bucket|sum|count)$`)

// everything is what the three services and the process around them declare, which need not run for that.
func everything(t *testing.T) []string {
	t.Helper()
	r := prometheus.NewRegistry()
	log, database := slog.New(slog.DiscardHandler), pgtest.Empty(t)
	loop := rpc.NewLoopback()
	conn, err := loop.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	w, p, s := run.Defaults[watermark.Config](), run.Defaults[parser.Config](), run.Defaults[scheduler.Config]()
	w.DatabaseURL, p.DatabaseURL, s.DatabaseURL = database, database, database
	p.RedisURL, p.APIID, p.APIHash, p.SessionKey = "redis://127.0.0.1:1/0", 1, "hash", env.Secret(strings.Repeat("ab", 32))
	watermarks, err := watermark.Open(t.Context(), w, watermark.Deps{Log: log, Registry: r, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(watermarks.Close)
	parsers, err := parser.Open(t.Context(), p, parser.Deps{Log: log, Registry: r, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(parsers.Close)
	schedulers, err := scheduler.Open(t.Context(), s, scheduler.Deps{Log: log, Registry: r, Now: time.Now, Parser: conn, Watermark: conn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(schedulers.Close)
	_ = rpc.NewServer(rpc.ServerOptions{Log: log, Registry: r})
	return append(declared(r), "tidemark_build_info", "tidemark_ready", "tidemark_certificate_end_timestamp_seconds") // the process's own
}

var (
	alert   = regexp.MustCompile(`(?m)^\s*- alert: (\w+)$`)
	runbook = regexp.MustCompile(`(?m)^\s*runbook_url: https://github\.com/tidemark/tidemark/blob/main/docs/operations\.md#([a-z-]+)$`)
)

func TestEachAlertIsShownToFireAndSaysWhatToDo(t *testing.T) {
	t.Parallel()
	rules, err := os.ReadFile(filepath.Join(deploy, "prometheus", "alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	tests, err := os.ReadFile(filepath.Join(deploy, "prometheus", "alerts_test.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	alerts := alert.FindAllStringSubmatch(string(rules), -1)
	for _, a := range alerts {
		if !strings.Contains(string(tests), `{labels: '{alertname="`+a[1]+`"}', value: 1}`) {
			t.Errorf("alerts_test.yaml does not show %s firing", a[1])
		}
	}
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, anchor := range runbook.FindAllStringSubmatch(string(rules), -1) {
		if !strings.Contains(string(page), "\n### "+anchor[1]+"\n") {
			t.Errorf("docs/operations.md has nothing on %s", anchor[1])
		}
	}
	n := len(alerts)
	for what, got := range map[string]int{
		"a summary": strings.Count(string(rules), "          summary: "), "a description": strings.Count(string(rules), "          description: "),
		"a runbook": len(runbook.FindAll(rules, -1)), "a severity": strings.Count(string(rules), "        labels: {severity: "),
	} {
		if got != n || n < 10 {
			t.Errorf("%d of %d alerts have %s", got, n, what)
		}
	}
}
