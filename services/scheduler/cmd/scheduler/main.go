// Command scheduler serves tidemark.scheduler.v1.
package main

import (
	"context"
	"io"
	"time"

	"github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/kit/run"
	"github.com/tidemark/tidemark/services/scheduler"
)

func main() {
	run.Main("scheduler", "Decides which channel is due, in which mode, and runs it.", &struct {
		Serve   serve   `cmd:"" help:"Serve gRPC, health and metrics."`
		Migrate migrate `cmd:"" help:"Bring the database schema up to this program, then end."`
		Config  config  `cmd:"" help:"Print the effective configuration, secrets hidden."`
		Health  health  `cmd:"" help:"Ask the process that serves here whether it is healthy: for images without a shell."`
	}{})
}

type serve struct {
	scheduler.Config
	run.Process
	run.Doors
	ParserAddr    string `help:"gRPC address of the parser." default:"127.0.0.1:8020"`
	WatermarkAddr string `help:"gRPC address of the watermark." default:"127.0.0.1:8030"`
	GRPCAddr      string `name:"grpc-addr" help:"Serve gRPC here." default:"127.0.0.1:8010"`
	HTTPAddr      string `name:"http-addr" help:"Serve /health, /livez and /metrics here." default:"127.0.0.1:8011"`
}

// Run serves until told to stop.
func (c *serve) Run(ctx context.Context) error {
	if err := c.Check(c.GRPCAddr); err != nil {
		return err
	}
	log, registry, err := c.Telemetry()
	if err != nil {
		return err
	}
	traces, err := c.Traces("scheduler", log)
	if err != nil {
		return err
	}
	parser, err := c.Dial(c.ParserAddr, "--parser-addr", log, rpc.Traced(traces))
	if err != nil {
		return err
	}
	defer func() { _ = parser.Close() }()
	watermark, err := c.Dial(c.WatermarkAddr, "--watermark-addr", log, rpc.Traced(traces))
	if err != nil {
		return err
	}
	defer func() { _ = watermark.Close() }()
	s, err := scheduler.Open(ctx, c.Config, scheduler.Deps{Log: log, Registry: registry, Traces: traces, Now: time.Now, About: run.Describe(c, time.Now()), Parser: parser, Watermark: watermark})
	if err != nil {
		return err
	}
	return run.Serve(ctx, run.Options{GRPCAddr: c.GRPCAddr, HTTPAddr: c.HTTPAddr, Log: log, Registry: registry, Traces: traces, Version: run.Version(), Doors: c.Doors}, s)
}

type migrate struct{ scheduler.Config }

// Run migrates.
func (c *migrate) Run(ctx context.Context) error { return scheduler.Migrate(ctx, c.DatabaseURL) }

type config struct{ serve }

// Run prints.
func (c *config) Run(w io.Writer) error {
	run.PrintConfig(w, &c.serve)
	return nil
}

type health struct {
	HTTPAddr string `name:"http-addr" help:"Where it serves /health." default:"127.0.0.1:8011"`
}

// Run asks.
func (c *health) Run(ctx context.Context, w io.Writer) error { return run.Healthy(ctx, w, c.HTTPAddr) }
