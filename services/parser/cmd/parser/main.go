// Command parser serves tidemark.parser.v1.
package main

import (
	"context"
	"io"
	"net"
	"os"
	"time"

	"google.golang.org/grpc"

	"github.com/tidemark/tidemark/kit/rpc"
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

	AdvertiseAddr string `help:"Where other parsers on the same database reach this one's gRPC; empty: --grpc-addr, with this machine's name if that says none." placeholder:"HOST:PORT"`
	AdvertiseName string `help:"Name in the certificates of other parsers, where the host of their address is in none; empty: that host." placeholder:"NAME"`
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
	traces, err := c.Traces("parser", log)
	if err != nil {
		return err
	}
	s, err := parser.Open(ctx, c.Config, parser.Deps{
		Log: log, Registry: registry, Traces: traces, Now: time.Now, About: run.Describe(c, time.Now()), Address: c.address(),
		Dial: func(addr string) (*grpc.ClientConn, error) {
			return c.Dial(addr, "another parser at", log, rpc.Traced(traces), grpc.WithAuthority(c.AdvertiseName))
		},
	})
	if err != nil {
		return err
	}
	return run.Serve(ctx, run.Options{GRPCAddr: c.GRPCAddr, HTTPAddr: c.HTTPAddr, Log: log, Registry: registry, Traces: traces, Version: run.Version(), Doors: c.Doors}, s)
}

// address is where other parsers reach this one.
func (c *serve) address() string {
	host, port, err := net.SplitHostPort(c.GRPCAddr)
	if c.AdvertiseAddr != "" || err != nil {
		return c.AdvertiseAddr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		if host, err = os.Hostname(); err != nil {
			return ""
		}
	}
	return net.JoinHostPort(host, port)
}

type migrate struct{ parser.Config }

// Run migrates.
func (c *migrate) Run(ctx context.Context) error { return parser.Migrate(ctx, c.DatabaseURL) }

type config struct{ serve }

// Run prints.
func (c *config) Run(w io.Writer) error {
	run.PrintConfig(w, &c.serve)
	return nil
}

type health struct {
	HTTPAddr string `name:"http-addr" help:"Where it serves /health." default:"127.0.0.1:8021"`
}

// Run asks.
func (c *health) Run(ctx context.Context, w io.Writer) error { return run.Healthy(ctx, w, c.HTTPAddr) }
