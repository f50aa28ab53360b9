package tracing

import (
	"bytes"
	"context"
	"errors"
	"io"
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

// build starts a house that sends its traces to an endpoint, or nowhere.
func build(t *testing.T, endpoint string) *house {
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
	h.start()
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

// start starts the three as their own programs do.
func (h *house) start() {
	h.Helper()
	w := run.Defaults[watermark.Config]()
	w.DatabaseURL, w.RedisURL = h.database, h.redis
	watermarkAddr := h.serve("watermark", func(log *slog.Logger, t *telemetry.Traces) (run.Service, error) {
		return watermark.Open(h.Context(), w, watermark.Deps{Log: log, Registry: prometheus.NewRegistry(), Traces: t, Now: time.Now})
	})
	p := run.Defaults[parser.Config]()
	p.DatabaseURL, p.RedisURL, p.SessionKeyFile = h.database, h.redis, filepath.Join(h.dir, "session.key")
	p.TelegramDCs, p.TelegramPublicKeys = strconv.Itoa(h.telegram.DC())+"="+h.telegram.Addr(), filepath.Join(h.dir, "telegram.pem")
	p.APIID, p.APIHash, p.HistoryRate, p.ResolveRate = 1, "hash", 0, 0
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
	log, err := telemetry.Logger(h.logs, "json", "debug")
	if err != nil {
		h.Fatal(err)
	}
	log = log.With("service", name)
	traces, err := h.process.Traces(name, log)
	if err != nil {
		h.Fatal(err)
	}
	s, err := open(log, traces)
	if err != nil {
		h.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(h.Context()))
	ended, listening := make(chan error, 1), make(chan string, 1)
	go func() {
		ended <- run.Serve(ctx, run.Options{
			GRPCAddr: "127.0.0.1:0", Log: log, Registry: prometheus.NewRegistry(), Traces: traces, Grace: time.Second, OnListen: func(grpc, _ net.Addr) { listening <- grpc.String() },
		}, s)
	}()
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

func (h *house) login() {
	h.Helper()
	account := h.world.Accounts()[0]
	stream, err := h.accounts.StartLogin(h.Context(), &parserv1.StartLoginRequest{Method: &parserv1.StartLoginRequest_Phone{Phone: account.Phone}}, grpc.WaitForReady(true))
	if err != nil {
		h.Fatal(err)
	}
	for {
		state, err := stream.Recv()
		if errors.Is(err, io.EOF) || state.GetState() == parserv1.LoginState_LOGIN_STATE_DONE {
			return
		} else if err != nil {
			h.Fatalf("log in: %v", err)
		}
		if state.GetState() == parserv1.LoginState_LOGIN_STATE_CODE_NEEDED {
			if _, err := h.accounts.SubmitCode(h.Context(), &parserv1.SubmitCodeRequest{LoginId: state.GetLoginId(), Code: account.Code}); err != nil {
				h.Fatalf("submit the code: %v", err)
			}
		}
	}
}

// follow adds the channel, and waits until its history was read and there was nothing left to read.
func (h *house) follow() (channel int64) {
	h.Helper()
	added, err := h.channels.AddChannel(h.Context(), &schedulerv1.AddChannelRequest{Ref: "@" + h.world.Summaries()[0].Username})
	if err != nil {
		h.Fatal(err)
	}
	channel = added.GetChannel().GetChannel().GetId()
	deadline, ticker := time.After(patience), time.NewTicker(50*time.Millisecond)
	defer ticker.Stop()
	for {
		got, err := h.channels.GetChannel(h.Context(), &schedulerv1.GetChannelRequest{ChannelId: channel})
		if err == nil && got.GetChannel().GetState() == schedulerv1.ChannelState_CHANNEL_STATE_IDLE {
			return channel
		}
		select {
		case <-deadline:
			h.Fatalf("the channel is not read after %s: %v, %v", patience, got, err)
		case <-ticker.C:
		}
	}
}
