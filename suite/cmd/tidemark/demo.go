package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/tidemark/tidemark/kit/run"
	"github.com/tidemark/tidemark/suite"
	"github.com/tidemark/tidemark/suite/demo"
)

type demoCmd struct {
	LogLevel string        `help:"debug, info, warn or error." default:"warn" enum:"debug,info,warn,error"`
	Once     bool          `help:"End when all history is covered and one live post went through, with a summary."`
	Messages int           `help:"Message ids per channel." default:"1000"`
	DataDir  string        `help:"Keep the stores here; without it they vanish at the end." type:"path"`
	Tick     time.Duration `help:"How often each channel is looked at." default:"2s"`
	GRPCAddr string        `name:"grpc-addr" help:"Serve gRPC here." default:"127.0.0.1:8010"`
	HTTPAddr string        `name:"http-addr" help:"Serve /health, /livez and /metrics here." default:"127.0.0.1:8011"`
}

// Run shows the demo.
func (c *demoCmd) Run(ctx context.Context, out io.Writer) error {
	process := run.Process{LogFormat: "text", LogLevel: c.LogLevel}
	log, registry, err := process.Telemetry()
	if err != nil {
		return err
	}
	dir := c.DataDir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "tidemark-demo-"); err != nil {
			return fmt.Errorf("make a directory for the demo: %w", err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
	}
	return demo.Run(ctx, demo.Options{
		Stores: suite.StoresConfig{DataDir: dir}, GRPCAddr: c.GRPCAddr, HTTPAddr: c.HTTPAddr, Messages: c.Messages, Tick: c.Tick, Once: c.Once,
		Out: out, Log: log, Registry: registry,
	})
}
