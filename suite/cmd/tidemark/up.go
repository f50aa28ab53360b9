package main

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/tidemark/tidemark/kit/run"
	"github.com/tidemark/tidemark/services/parser"
	"github.com/tidemark/tidemark/suite"
)

type upCmd struct {
	suite.StoresConfig
	parser.Telegram
	run.Process
	run.Doors
	Tick     time.Duration `help:"How often each channel is looked at, unless it says otherwise." default:"5m"`
	Workers  int           `help:"Channels read at the same time." default:"8"`
	GRPCAddr string        `name:"grpc-addr" help:"Serve gRPC here." default:"127.0.0.1:8010"`
	HTTPAddr string        `name:"http-addr" help:"Serve /health, /livez and /metrics here." default:"127.0.0.1:8011"`
}

// Run serves until told to stop.
func (c *upCmd) Run(ctx context.Context) (err error) {
	if err := c.Check(c.GRPCAddr); err != nil {
		return err
	}
	log, registry, err := c.Telemetry()
	if err != nil {
		return err
	}
	traces, err := c.Traces("tidemark", log)
	if err != nil {
		return err
	}
	stores, err := suite.OpenStores(ctx, c.StoresConfig, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stores.Close()) }()
	config := suite.DefaultConfig(stores, c.StoresConfig, c.Telegram)
	config.Scheduler.Tick, config.Scheduler.Workers = c.Tick, c.Workers
	config.Process = append(run.Settings(&c.Process), run.Settings(&c.Doors)...)
	return suite.Serve(ctx, config, run.Options{
		GRPCAddr: c.GRPCAddr, HTTPAddr: c.HTTPAddr, Log: log, Registry: registry, Traces: traces, Version: run.Version(), Doors: c.Doors,
		OnListen: func(grpc, http net.Addr) { log.Info("serving", "grpc", grpc.String(), "http", http.String()) },
	})
}
