// Command watermark serves tidemark.watermark.v1.
package main

import (
	"context"
	"io"
	"time"

	"github.com/tidemark/tidemark/kit/run"
	"github.com/tidemark/tidemark/services/watermark"
)

func main() {
	run.Main("watermark", "Knows, per channel and pipeline stage, exactly what is done.", &struct {
		Serve   serve   `cmd:"" help:"Serve gRPC, health and metrics."`
		Migrate migrate `cmd:"" help:"Bring the database schema up to this program, then end."`
		Config  config  `cmd:"" help:"Print the effective configuration, secrets hidden."`
		Health  health  `cmd:"" help:"Ask the process that serves here whether it is healthy: for images without a shell."`
	}{})
}

type serve struct {
	watermark.Config
	run.Process
	run.Doors
	GRPCAddr string `name:"grpc-addr" help:"Serve gRPC here." default:"127.0.0.1:8030"`
	HTTPAddr string `name:"http-addr" help:"Serve /health, /livez and /metrics here." default:"127.0.0.1:8031"`
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
	traces, err := c.Traces("watermark", log)
	if err != nil {
		return err
	}
	s, err := watermark.Open(ctx, c.Config, watermark.Deps{Log: log, Registry: registry, Traces: traces, Now: time.Now, About: run.Describe(c, time.Now())})
	if err != nil {
		return err
	}
	return run.Serve(ctx, run.Options{GRPCAddr: c.GRPCAddr, HTTPAddr: c.HTTPAddr, Log: log, Registry: registry, Traces: traces, Version: run.Version(), Doors: c.Doors}, s)
}

type migrate struct{ watermark.Config }

// Run migrates.
func (c *migrate) Run(ctx context.Context) error { return watermark.Migrate(ctx, c.DatabaseURL) }

type config struct{ serve }

// Run prints.
func (c *config) Run(w io.Writer) error {
	run.PrintConfig(w, &c.serve)
	return nil
}

type health struct {
	HTTPAddr string `name:"http-addr" help:"Where it serves /health." default:"127.0.0.1:8031"`
}

// Run asks.
func (c *health) Run(ctx context.Context, w io.Writer) error { return run.Healthy(ctx, w, c.HTTPAddr) }
