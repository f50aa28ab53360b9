package metrics

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc"

	parserv1 "github.com/tidemark/tidemark/gen/tidemark/parser/v1"
	schedulerv1 "github.com/tidemark/tidemark/gen/tidemark/scheduler/v1"
	watermarkv1 "github.com/tidemark/tidemark/gen/tidemark/watermark/v1"
	"github.com/tidemark/tidemark/kit/embedded"
	"github.com/tidemark/tidemark/kit/env"
	"github.com/tidemark/tidemark/kit/pg/pgtest"
	"github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/kit/run"
	"github.com/tidemark/tidemark/services/parser"
	"github.com/tidemark/tidemark/services/parser/tgsim"
	"github.com/tidemark/tidemark/suite"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// house is the whole in one process, on a simulated Telegram, with one worker so that jobs have to wait.
type house struct {
	*testing.T
	world    *tgsim.World
	telegram *tgsim.Server
	database env.Secret
	redis    *redis.Client
	registry *prometheus.Registry
	channels schedulerv1.ChannelServiceClient
	marks    watermarkv1.WatermarkServiceClient
	accounts parserv1.AccountServiceClient
}

func build(t *testing.T, spec tgsim.Spec) *house {
	t.Helper()
	world, err := tgsim.NewWorld(spec)
	if err != nil {
		t.Fatal(err)
	}
	h := &house{T: t, world: world, database: pgtest.Empty(t), registry: prometheus.NewRegistry()}
	dir := t.TempDir()
	telegram := h.openTelegram(filepath.Join(dir, "telegram.pem"))
	p, err := embedded.Redis(context.WithoutCancel(t.Context()), dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	options, err := redis.ParseURL(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	h.redis = redis.NewClient(options)
	t.Cleanup(func() { _ = h.redis.Close() })
	config := suite.DefaultConfig(&suite.Stores{DatabaseURL: h.database, RedisURL: env.Secret(p.URL)}, suite.StoresConfig{DataDir: dir}, telegram)
	config.Scheduler.Tick, config.Scheduler.Workers = time.Second, 1
	h.start(config)
	return h
}

func (h *house) openTelegram(keyFile string) parser.Telegram {
	h.Helper()
	var err error
	if h.telegram, err = tgsim.Listen("127.0.0.1:0", h.world, tgsim.Options{}); err != nil {
		h.Fatal(err)
	}
	h.background(h.telegram.Run)
	if err := os.WriteFile(keyFile, h.telegram.PublicKeyPEM(), 0o600); err != nil {
		h.Fatal(err)
	}
	c := run.Defaults[parser.Telegram]()
	c.TelegramDCs, c.TelegramPublicKeys = strconv.Itoa(h.telegram.DC())+"="+h.telegram.Addr(), keyFile
	c.APIID, c.APIHash, c.HistoryRate, c.ResolveRate = 1, "hash", 0, 0
	return c
}

// background runs fn until the test's end.
func (h *house) background(fn func(context.Context) error) {
	ctx, stop := context.WithCancel(context.WithoutCancel(h.Context()))
	ended := make(chan error, 1)
	go func() { ended <- fn(ctx) }()
	h.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			h.Errorf("ended with %v", err)
		}
	})
}

func (h *house) start(config suite.Config) {
	h.Helper()
	listening := make(chan string, 1)
	h.background(func(ctx context.Context) error {
		return suite.Serve(ctx, config, run.Options{
			GRPCAddr: "127.0.0.1:0", HTTPAddr: "127.0.0.1:0", Log: slog.New(slog.NewTextHandler(h.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})), Registry: h.registry, Grace: time.Second, OnListen: func(grpc, _ net.Addr) { listening <- grpc.String() },
		})
	})
	var addr string
	select {
	case addr = <-listening:
	case <-time.After(patience):
		h.Fatal("the services did not start")
	}
	conn, err := rpc.Dial(addr)
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { _ = conn.Close() })
	h.channels, h.marks, h.accounts = schedulerv1.NewChannelServiceClient(conn), watermarkv1.NewWatermarkServiceClient(conn), parserv1.NewAccountServiceClient(conn)
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

const (
	// patience bounds every wait for something that must happen.
	patience = 60 * time.Second
	// look is how often it is looked for.
	look = 50 * time.Millisecond
)

// eventually waits until fn says "", which is what is still missing.
func (h *house) eventually(fn func() string) {
	h.Helper()
	deadline, ticker := time.After(patience), time.NewTicker(look)
	defer ticker.Stop()
	for {
		missing := fn()
		if missing == "" {
			return
		}
		select {
		case <-deadline:
			h.Fatalf("still missing after %s: %s", patience, missing)
		case <-ticker.C:
		}
	}
}
