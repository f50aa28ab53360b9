package suite

import (
	"context"
	"fmt"
	"time"

	"github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/kit/run"
	"github.com/tidemark/tidemark/services/parser"
	"github.com/tidemark/tidemark/services/scheduler"
	"github.com/tidemark/tidemark/services/watermark"
)

// Config of the whole.
type Config struct {
	Watermark watermark.Config
	Parser    parser.Config
	Scheduler scheduler.Config
	Process   []run.Setting // of the process itself, shown beside each service's own
}

func (c Config) about(service any) run.About {
	about := run.Describe(service, time.Now())
	about.Settings = append(about.Settings, c.Process...)
	return about
}

// Serve opens the three services in one process and runs them until ctx ends. The scheduler reaches the other two through an in-memory
// connection to the same server that serves the world.
func Serve(ctx context.Context, c Config, o run.Options) error {
	loop := rpc.NewLoopback()
	services, err := open(ctx, c, o, loop)
	if err != nil {
		closeAll(services)
		return err
	}
	o.Listeners = append(o.Listeners, loop.Listener())
	return run.Serve(ctx, o, services...)
}

// open opens in the order of who calls whom, so that closing in reverse leaves nobody calling the dead.
func open(ctx context.Context, c Config, o run.Options, loop *rpc.Loopback) (opened []run.Service, err error) {
	w, err := watermark.Open(ctx, c.Watermark, watermark.Deps{Log: o.Log, Registry: o.Registry, Traces: o.Traces, Now: time.Now, About: c.about(&c.Watermark)})
	if err != nil {
		return opened, fmt.Errorf("open watermark: %w", err)
	}
	opened = append(opened, w)
	p, err := parser.Open(ctx, c.Parser, parser.Deps{Log: o.Log, Registry: o.Registry, Traces: o.Traces, Now: time.Now, About: c.about(&c.Parser)})
	if err != nil {
		return opened, fmt.Errorf("open parser: %w", err)
	}
	opened = append(opened, p)
	conn, err := loop.Dial(rpc.Traced(o.Traces))
	if err != nil {
		return opened, fmt.Errorf("join the services: %w", err)
	}
	s, err := scheduler.Open(ctx, c.Scheduler, scheduler.Deps{Log: o.Log, Registry: o.Registry, Traces: o.Traces, Now: time.Now, About: c.about(&c.Scheduler), Parser: conn, Watermark: conn})
	if err != nil {
		return opened, fmt.Errorf("open scheduler: %w", err)
	}
	return append(opened, s), nil
}

func closeAll(services []run.Service) {
	for i := len(services) - 1; i >= 0; i-- {
		services[i].Close()
	}
}

// DefaultConfig is the whole on some stores, with the services' own defaults for the rest.
func DefaultConfig(s *Stores, where StoresConfig, telegram parser.Telegram) Config {
	c := Config{Watermark: run.Defaults[watermark.Config](), Parser: run.Defaults[parser.Config](), Scheduler: run.Defaults[scheduler.Config]()}
	c.Watermark.DatabaseURL, c.Watermark.RedisURL = s.DatabaseURL, s.RedisURL
	c.Parser.DatabaseURL, c.Parser.RedisURL = s.DatabaseURL, s.RedisURL
	c.Scheduler.DatabaseURL = s.DatabaseURL
	c.Parser.Telegram = telegram
	if telegram.SessionKey == "" && telegram.SessionKeyFile == "" {
		c.Parser.SessionKeyFile = where.SessionKeyFile()
	}
	return c
}
