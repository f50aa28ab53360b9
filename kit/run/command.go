package run

import (
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemark/tidemark/kit/telemetry"
)

// Process are the flags that every serving command has.
type Process struct {
	LogFormat string `help:"text or json." default:"text" enum:"text,json"`
	LogLevel  string `help:"debug, info, warn or error." default:"info" enum:"debug,info,warn,error"`

	OTLPEndpoint string  `name:"otlp-endpoint" help:"Send traces to this collector by OTLP/HTTP, as http://HOST:4318; without it none are made." placeholder:"URL"`
	OTLPSample   float64 `name:"otlp-sample" help:"Share of runs and calls that are traced, 0 to 1; what another service began is followed as that one decided." default:"1"`
}

// Telemetry makes the process's logger, on standard error, and its registry.
func (p Process) Telemetry() (*slog.Logger, *prometheus.Registry, error) {
	log, err := telemetry.Logger(os.Stderr, p.LogFormat, p.LogLevel)
	return log, telemetry.Registry(Version()), err
}

// Traces makes the process's traces, in the name of a service; nil unless they are wanted. Serve sends the last of them.
func (p Process) Traces(service string, log *slog.Logger) (*telemetry.Traces, error) {
	t, err := telemetry.OpenTraces(telemetry.TraceOptions{Endpoint: p.OTLPEndpoint, Sample: p.OTLPSample, Service: service, Version: Version(), Log: log, Now: time.Now})
	if err != nil {
		return nil, UsageError{err}
	}
	return t, nil
}

// version is set by the linker where there is no repository to stamp a build from: -X github.com/tidemark/tidemark/kit/run.version=v1.2.3
var version string

// Version is this build's: as the linker was told, else as the Go toolchain stamped it.
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	revision, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "-dirty"
		}
	}
	if revision == "" {
		return info.Main.Version
	}
	return revision + dirty
}
