package e2e

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

const (
	stream = "tidemark:posts"
	// patience bounds every wait for something that must happen.
	patience = 60 * time.Second
	// look is how often a scenario looks for it.
	look = 20 * time.Millisecond
)

// house is everything one scenario needs. Its stores and its Telegram outlive the services, which can be stopped and started again.
type house struct {
	*testing.T
	world      *tgsim.World
	telegram   *tgsim.Server
	stores     suite.Stores
	redis      *redis.Client
	dir        string
	slice      int // pages per slice, 0 is the default
	stop       context.CancelFunc
	ended      chan error
	channels   schedulerv1.ChannelServiceClient
	runs       schedulerv1.RunServiceClient
	marks      watermarkv1.WatermarkServiceClient
	posts      parserv1.PostServiceClient
	accounts   parserv1.AccountServiceClient
	quarantine parserv1.QuarantineServiceClient
	scheduler  schedulerv1.SchedulerServiceClient
	closeConn  func()
}

// build makes a house on a made-up world, starts it and logs in.
func build(t *testing.T, spec tgsim.Spec) *house {
	t.Helper()
	t.Parallel()
	world, err := tgsim.NewWorld(spec)
	if err != nil {
		t.Fatal(err)
	}
	return buildOn(t, world)
}

func buildOn(t *testing.T, world *tgsim.World) *house {
	t.Helper()
	h := &house{T: t, world: world, dir: t.TempDir()}
	h.openTelegram()
	h.openStores()
	h.start()
	h.login()
	return h
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
	if err := os.WriteFile(h.keyFile(), h.telegram.PublicKeyPEM(), 0o600); err != nil {
		h.Fatal(err)
	}
}

func (h *house) keyFile() string { return filepath.Join(h.dir, "telegram.pem") }

func (h *house) openStores() {
	h.Helper()
	p, err := embedded.Redis(context.WithoutCancel(h.Context()), h.dir, slog.New(slog.DiscardHandler))
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { _ = p.Close() })
	h.stores = suite.Stores{DatabaseURL: pgtest.Empty(h), RedisURL: env.Secret(p.URL)}
	options, err := redis.ParseURL(p.URL)
	if err != nil {
		h.Fatal(err)
	}
	h.redis = redis.NewClient(options)
	h.Cleanup(func() { _ = h.redis.Close() })
}

// start starts the services as `tidemark up` does.
func (h *house) start() {
	h.Helper()
	telegram := run.Defaults[parser.Telegram]()
	telegram.TelegramDCs = strconv.Itoa(h.telegram.DC()) + "=" + h.telegram.Addr()
	telegram.TelegramPublicKeys = h.keyFile()
	telegram.APIID, telegram.APIHash, telegram.HistoryRate, telegram.ResolveRate = 1, "hash", 0, 0
	config := suite.DefaultConfig(&h.stores, suite.StoresConfig{DataDir: h.dir}, telegram)
	config.Scheduler.Tick = time.Second
	if h.slice > 0 {
		config.Scheduler.SlicePages = h.slice
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(h.Context()))
	h.stop, h.ended = stop, make(chan error, 1)
	listening := make(chan string, 1)
	go func() {
		h.ended <- suite.Serve(ctx, config, run.Options{
			GRPCAddr: "127.0.0.1:0", HTTPAddr: "127.0.0.1:0", Log: slog.New(slog.NewTextHandler(h.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
			Registry: prometheus.NewRegistry(), Grace: time.Second, OnListen: func(grpc, _ net.Addr) { listening <- grpc.String() },
		})
	}()
	select {
	case addr := <-listening:
		h.dial(addr)
	case err := <-h.ended:
		h.Fatalf("the services did not start: %v", err)
	}
	h.Cleanup(h.halt)
}

func (h *house) dial(addr string) {
	h.Helper()
	conn, err := rpc.Dial(addr)
	if err != nil {
		h.Fatal(err)
	}
	h.closeConn = func() { _ = conn.Close() }
	h.channels, h.runs, h.scheduler = schedulerv1.NewChannelServiceClient(conn), schedulerv1.NewRunServiceClient(conn), schedulerv1.NewSchedulerServiceClient(conn)
	h.marks, h.posts, h.accounts = watermarkv1.NewWatermarkServiceClient(conn), parserv1.NewPostServiceClient(conn), parserv1.NewAccountServiceClient(conn)
	h.quarantine = parserv1.NewQuarantineServiceClient(conn)
}

// halt stops the services as SIGTERM does; stopping twice is fine.
func (h *house) halt() {
	h.Helper()
	if h.stop == nil {
		return
	}
	began := time.Now()
	h.stop()
	if err := <-h.ended; err != nil {
		h.Errorf("the services ended with %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		h.Errorf("stopping took %s, 10 s are promised", took)
	}
	h.closeConn()
	h.stop = nil
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

// follow adds channels by their usernames.
func (h *house) follow(names ...string) {
	h.Helper()
	for _, name := range names {
		if _, err := h.channels.AddChannel(h.Context(), &schedulerv1.AddChannelRequest{Ref: "@" + name}); err != nil {
			h.Fatalf("follow @%s: %v", name, err)
		}
	}
}

// names are the usernames of the world's channels.
func (h *house) names() (names []string) {
	for _, c := range h.world.Summaries() {
		names = append(names, c.Username)
	}
	return names
}

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

func (h *house) coverage(channel int64) *watermarkv1.GetCoverageResponse {
	got, err := h.marks.GetCoverage(h.Context(), &watermarkv1.GetCoverageRequest{ChannelId: channel})
	if err != nil {
		return nil // not yet
	}
	return got
}

// complete waits until every id of the channels is covered, and then holds the stores against the truth.
func (h *house) complete(names ...string) {
	h.Helper()
	for _, name := range names {
		h.eventually(func() string {
			truth := h.truth(name)
			if got := h.coverage(truth.ID); got.GetCoveredCount() != int64(truth.Last) || len(got.GetHoles()) > 0 {
				return fmt.Sprintf("@%s: %d of %d ids are covered", name, got.GetCoveredCount(), truth.Last)
			}
			return ""
		})
		h.same(name)
	}
}

func (h *house) truth(name string) tgsim.Truth {
	h.Helper()
	truth, err := h.world.Truth(name)
	if err != nil {
		h.Fatal(err)
	}
	return truth
}
