package tracing

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	parserv1 "github.com/tidemark/tidemark/gen/tidemark/parser/v1"
	schedulerv1 "github.com/tidemark/tidemark/gen/tidemark/scheduler/v1"
	"github.com/tidemark/tidemark/kit/embedded"
	"github.com/tidemark/tidemark/kit/env"
	"github.com/tidemark/tidemark/kit/pg/pgtest"
	"github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/kit/run"
	"github.com/tidemark/tidemark/kit/telemetry"
	"github.com/tidemark/tidemark/services/parser"
	"github.com/tidemark/tidemark/services/parser/tgsim"
	"github.com/tidemark/tidemark/services/scheduler"
	"github.com/tidemark/tidemark/services/watermark"
	"github.com/tidemark/tidemark/suite"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// patience bounds every wait for something that must happen.
const patience = 60 * time.Second

// house is three services, each with its own traces as its own program has them, and a Telegram for them to read.
type house struct {
	*testing.T
	dir      string
	process  run.Process
	world    *tgsim.World
	telegram *tgsim.Server
	database env.Secret
	redis    env.Secret
	logs     *memory

	channels schedulerv1.ChannelServiceClient
	accounts parserv1.AccountServiceClient
	stops    []func() // of the services, in the order of their start
}

// memory is a log that is kept.
type memory struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write keeps a line.
func (m *memory) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.text.Write(p)
}

func (m *memory) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.text.String()
}

// build makes a house that sends its traces to an endpoint, or nowhere, and starts it.
func build(t *testing.T, endpoint string, start func(*house)) *house {
	t.Helper()
	t.Parallel()
	world, err := tgsim.NewWorld(tgsim.Spec{Seed: 12, Channels: 1, Messages: 120})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{T: t, dir: t.TempDir(), process: run.Defaults[run.Process](), world: world, logs: &memory{}}
	h.process.OTLPEndpoint = endpoint
	p, err := embedded.Redis(context.WithoutCancel(t.Context()), h.dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	h.database, h.redis = guarded(t, pgtest.Empty(t)), env.Secret(p.URL)
	h.openTelegram()
	start(h)
	t.Cleanup(h.stop)
	return h
}

// guarded is a database's URL with a password to look for, also where none is asked for.
func guarded(t *testing.T, address env.Secret) env.Secret {
	t.Helper()
	u, err := url.Parse(address.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := u.User.Password(); !ok {
		u.User = url.UserPassword(u.User.Username(), "a-password-that-no-span-says")
	}
	return env.Secret(u.String())
}

func (h *house) openTelegram() {
	h.Helper()
	var err error
	if h.telegram, err = tgsim.Listen("127.0.0.1:0", h.world, tgsim.Options{}); err != nil {
		h.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(h.Context()))
	ended := make(chan error, 1)
	go func() { ended <- h.telegram.Run(ctx) }()
	h.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			h.Errorf("the simulated Telegram ended with %v", err)
		}
	})
	if err := os.WriteFile(filepath.Join(h.dir, "telegram.pem"), h.telegram.PublicKeyPEM(), 0o600); err != nil {
		h.Fatal(err)
	}
}

// three starts the services as their own programs do.
func three(h *house) {
	h.Helper()
	w := run.Defaults[watermark.Config]()
	w.DatabaseURL, w.RedisURL = h.database, h.redis
	watermarkAddr := h.serve("watermark", func(log *slog.Logger, t *telemetry.Traces) (run.Service, error) {
		return watermark.Open(h.Context(), w, watermark.Deps{Log: log, Registry: prometheus.NewRegistry(), Traces: t, Now: time.Now})
	})
	p := run.Defaults[parser.Config]()
	p.DatabaseURL, p.RedisURL = h.database, h.redis
	p.Telegram = h.reads()
	parserAddr := h.serve("parser", func(log *slog.Logger, t *telemetry.Traces) (run.Service, error) {
		return parser.Open(h.Context(), p, parser.Deps{Log: log, Registry: prometheus.NewRegistry(), Traces: t, Now: time.Now})
	})
	s := run.Defaults[scheduler.Config]()
	s.DatabaseURL, s.Tick = h.database, time.Second
	schedulerAddr := h.serve("scheduler", func(log *slog.Logger, t *telemetry.Traces) (run.Service, error) {
		return scheduler.Open(h.Context(), s, scheduler.Deps{
			Log: log, Registry: prometheus.NewRegistry(), Traces: t, Now: time.Now, Parser: h.dial(parserAddr, rpc.Traced(t)), Watermark: h.dial(watermarkAddr, rpc.Traced(t)),
		})
	})
	h.channels, h.accounts = schedulerv1.NewChannelServiceClient(h.dial(schedulerAddr)), parserv1.NewAccountServiceClient(h.dial(parserAddr))
}

// reads is the Telegram to read.
func (h *house) reads() parser.Telegram {
	t := run.Defaults[parser.Telegram]()
	t.TelegramDCs, t.TelegramPublicKeys = strconv.Itoa(h.telegram.DC())+"="+h.telegram.Addr(), filepath.Join(h.dir, "telegram.pem")
	t.APIID, t.APIHash, t.HistoryRate, t.ResolveRate, t.SessionKeyFile = 1, "hash", 0, 0, filepath.Join(h.dir, "session.key")
	return t
}

// up starts the services in one process, as `tidemark up` does.
func up(h *house) {
	h.Helper()
	config := suite.DefaultConfig(&suite.Stores{DatabaseURL: h.database, RedisURL: h.redis}, suite.StoresConfig{DataDir: h.dir}, h.reads())
	config.Scheduler.Tick = time.Second
	addr := h.run("tidemark", func(o run.Options) func(context.Context) error {
		o.Registry = prometheus.NewRegistry()
		return func(ctx context.Context) error { return suite.Serve(ctx, config, o) }
	})
	h.channels, h.accounts = schedulerv1.NewChannelServiceClient(h.dial(addr)), parserv1.NewAccountServiceClient(h.dial(addr))
}

func (h *house) dial(addr string, extra ...grpc.DialOption) *grpc.ClientConn {
	h.Helper()
	conn, err := rpc.Dial(addr, extra...)
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { _ = conn.Close() })
	return conn
}

func (h *house) serve(name string, open func(*slog.Logger, *telemetry.Traces) (run.Service, error)) string {
	h.Helper()
	return h.run(name, func(o run.Options) func(context.Context) error {
		s, err := open(o.Log, o.Traces)
		if err != nil {
			h.Fatal(err)
		}
		return func(ctx context.Context) error { return run.Serve(ctx, o, s) }
	})
}

// run runs a process until the house is stopped, and answers its address.
func (h *house) run(name string, prepare func(run.Options) func(context.Context) error) string {
	h.Helper()
	log, err := telemetry.Logger(h.logs, "json", "debug")
	if err != nil {
		h.Fatal(err)
	}
	log = log.With("service", name)
	traces, err := h.process.Traces(name, log)
	if err != nil {
		h.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(h.Context()))
	ended, listening := make(chan error, 1), make(chan string, 1)
	serve := prepare(run.Options{GRPCAddr: "127.0.0.1:0", Log: log, Traces: traces, Grace: time.Second, OnListen: func(grpc, _ net.Addr) { listening <- grpc.String() }})
	go func() { ended <- serve(ctx) }()
	h.stops = append(h.stops, func() {
		stop()
		if err := <-ended; err != nil {
			h.Errorf("%s ended with %v", name, err)
		}
	})
	select {
	case addr := <-listening:
		return addr
	case err := <-ended:
		h.Fatalf("%s did not start: %v", name, err)
		return ""
	}
}

// stop ends the services, which sends the last of their traces; stopping twice is fine.
func (h *house) stop() {
	for i := len(h.stops) - 1; i >= 0; i-- {
		h.stops[i]()
	}
	h.stops = nil
}
