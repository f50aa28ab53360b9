// Package telemetry makes what a process logs, counts and traces with. Nothing here is global: loggers, registries and traces are handed in.
package telemetry

import (
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Logger writes to w as "text" or "json", from the given level ("debug", "info", "warn", "error") on.
func Logger(w io.Writer, format, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log level %q: want debug, info, warn or error", level)
	}
	options := &slog.HandlerOptions{Level: l}
	switch strings.ToLower(format) {
	case "json":
		return slog.New(lines{slog.NewJSONHandler(w, options), true}), nil
	case "text":
		return slog.New(lines{slog.NewTextHandler(w, options), false}), nil
	}
	return nil, fmt.Errorf("log format %q: want text or json", format)
}

// Registry counts for one process: Go runtime, process, and which build it is.
func Registry(version string) *prometheus.Registry {
	r := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "tidemark_build_info", Help: "Always 1; the label says which build runs.", ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), build)
	return r
}
