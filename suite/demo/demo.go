// Package demo shows Tidemark at work in one process: private stores, a simulated Telegram datacenter with ten channels, the three
// services, a login, and everything that comes in. Only Telegram is made up; MTProto, Postgres, Redis and gRPC are real.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/kit/run"
	"github.com/tidemark/tidemark/services/parser"
	"github.com/tidemark/tidemark/services/parser/tgsim"
	"github.com/tidemark/tidemark/services/parser/tgsim/load"
	"github.com/tidemark/tidemark/suite"
)

// Options of a demo.
type Options struct {
	Stores             suite.StoresConfig
	GRPCAddr, HTTPAddr string
	Messages           int           // per channel
	Tick               time.Duration // how often each channel is looked at
	Once               bool          // end when all is covered and one live post went through
	Out                io.Writer
	Log                *slog.Logger
	Registry           *prometheus.Registry
}

const (
	// seed makes the same world every time.
	seed     = 20260301
	channels = 10
	// apiID and apiHash are what the simulator takes: any.
	apiID   = 1
	apiHash = "demo"
)

// errDone ends a demo that ends by itself.
var errDone = errors.New("done")

// show is a running demo.
type show struct {
	Options
	stores *suite.Stores
	sim    *tgsim.Server
	conn   *grpc.ClientConn
	began  time.Time
}

// Run shows it until ctx ends or, with Once, until it is complete.
func Run(ctx context.Context, o Options) (err error) {
	s := &show{Options: o, began: time.Now()}
	s.say("starting private stores, a simulated Telegram with %d channels of %d messages, and the three services ...", channels, o.Messages)
	if s.stores, err = suite.OpenStores(ctx, o.Stores, o.Log); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stores.Close()) }()
	if err := s.openTelegram(); err != nil {
		return err
	}
	config, err := s.config()
	if err != nil {
		return err
	}
	house, ctx := errgroup.WithContext(ctx)
	// Telegram stays until the services are gone, as it does in life.
	telegram, endTelegram := context.WithCancel(context.WithoutCancel(ctx))
	defer endTelegram()
	house.Go(func() error { return s.sim.Run(telegram) })
	listening := make(chan net.Addr, 1)
	house.Go(func() error {
		defer endTelegram()
		return suite.Serve(ctx, config, run.Options{
			GRPCAddr: o.GRPCAddr, HTTPAddr: o.HTTPAddr, Log: o.Log, Registry: o.Registry, Version: run.Version(),
			OnListen: func(grpc, _ net.Addr) { listening <- grpc },
		})
	})
	house.Go(func() error {
		select {
		case <-ctx.Done():
			return nil
		case addr := <-listening:
			return s.play(ctx, addr.String())
		}
	})
	if err := house.Wait(); !errors.Is(err, errDone) {
		return err
	}
	return nil
}

func (s *show) openTelegram() error {
	world, err := load.Demo(tgsim.Spec{Seed: seed, Messages: s.Messages, End: s.began})
	if err != nil {
		return fmt.Errorf("make the simulated Telegram: %w", err)
	}
	if s.sim, err = tgsim.Listen("127.0.0.1:0", world, tgsim.Options{}); err != nil {
		return fmt.Errorf("open the simulated Telegram: %w", err)
	}
	return nil
}

// config points the parser at the simulator by what a user would give: an address and a key file.
func (s *show) config() (suite.Config, error) {
	key := filepath.Join(s.Stores.DataDir, "telegram.pem")
	if err := os.WriteFile(key, s.sim.PublicKeyPEM(), 0o600); err != nil {
		return suite.Config{}, fmt.Errorf("write the simulator's key: %w", err)
	}
	telegram := run.Defaults[parser.Telegram]()
	telegram.TelegramDCs = strconv.Itoa(s.sim.DC()) + "=" + s.sim.Addr()
	telegram.TelegramPublicKeys = key
	telegram.APIID, telegram.APIHash = apiID, apiHash
	telegram.HistoryRate, telegram.ResolveRate = 0, 0 // the simulator has patience
	c := suite.DefaultConfig(s.stores, s.Stores, telegram)
	c.Scheduler.Tick = s.Tick
	return c, nil
}

// play does what a user would do, and shows what comes of it.
func (s *show) play(ctx context.Context, addr string) (err error) {
	if s.conn, err = rpc.Dial(addr); err != nil {
		return err
	}
	defer func() { _ = s.conn.Close() }()
	if err := s.login(ctx); err != nil {
		return fmt.Errorf("log in to the simulated Telegram: %w", err)
	}
	if err := s.follow(ctx); err != nil {
		return fmt.Errorf("follow the demo's channels: %w", err)
	}
	if err := s.backfill(ctx); err != nil {
		return fmt.Errorf("read the history: %w", err)
	}
	if s.Once {
		return s.finish(ctx)
	}
	s.tellWhereToLook(addr)
	return s.live(ctx)
}

func (s *show) say(format string, args ...any) {
	_, _ = fmt.Fprintf(s.Out, "%6.1fs  "+format+"\n", append([]any{time.Since(s.began).Seconds()}, args...)...)
}
