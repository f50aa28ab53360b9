// Command parser serves tidemark.parser.v1.
package main

import (
	"context"
	"io"
	"time"

	"github.com/tidemark/tidemark/kit/run"
	"github.com/tidemark/tidemark/services/parser"
)

func main() {
	run.Main("parser", "Reads Telegram channels, stores posts, publishes events.", &struct {
		Serve   serve   `cmd:"" help:"Serve gRPC, health and metrics."`
		Migrate migrate `cmd:"" help:"Bring the database schema up to this program, then end."`
		Config  config  `cmd:"" help:"Print the effective configuration, secrets hidden."`
		Health  health  `cmd:"" help:"Ask the process that serves here whether it is healthy: for images without a shell."`
	}{})
}

type serve struct {
	parser.Config
	run.Process
	run.Doors
	GRPCAddr string `name:"grpc-addr" help:"Serve gRPC here." default:"127.0.0.1:8020"`
	HTTPAddr string `name:"http-addr" help:"Serve /health, /livez and /metrics here." default:"127.0.0.1:8021"`
}

// Run serves until told to stop.
func (c *serve) Run(ctx context.Context) error {
	log, registry, err := c.Telemetry()
	if err != nil {
		return err
	}
	s, err := parser.Open(ctx, c.Config, parser.Deps{Log: log, Registry: registry, Now: time.Now})
	if err != nil {
		return err
	}
	return run.Serve(ctx, run.Options{GRPCAddr: c.GRPCAddr, HTTPAddr: c.HTTPAddr, Log: log, Registry: registry, Version: run.Version(), Doors: c.Doors}, s)
}

type migrate struct{ parser.Config }

// Run migrates.
func (c *migrate) Run(ctx context.Context) error { return parser.Migrate(ctx, c.DatabaseURL) }

type config struct{ parser.Config }

// Run prints.
func (c *config) Run(w io.Writer) error {
	run.PrintConfig(w, c.Config)
	return nil
}

type health struct {
	HTTPAddr string `name:"http-addr" help:"Where it serves /health." default:"127.0.0.1:8021"`
}

// Run asks.
func (c *health) Run(ctx context.Context, w io.Writer) error { return run.Healthy(ctx, w, c.HTTPAddr) }
