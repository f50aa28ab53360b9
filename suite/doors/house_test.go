package doors

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
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
	"github.com/tidemark/tidemark/kit/auth"
	"github.com/tidemark/tidemark/kit/auth/ca"
	"github.com/tidemark/tidemark/kit/embedded"
	"github.com/tidemark/tidemark/kit/env"
	"github.com/tidemark/tidemark/kit/pg/pgtest"
	"github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/kit/run"
	"github.com/tidemark/tidemark/services/parser"
	"github.com/tidemark/tidemark/services/parser/tgsim"
	"github.com/tidemark/tidemark/services/scheduler"
	"github.com/tidemark/tidemark/services/watermark"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// patience bounds every wait for something that must happen.
const patience = 60 * time.Second

// house is three services behind locked doors, and a Telegram for them to read.
type house struct {
	*testing.T
	dir      string
	world    *tgsim.World
	telegram *tgsim.Server
	database env.Secret
	redis    env.Secret
	log      *memory

	parser, watermark, scheduler string // addresses
	tokens                       map[string]env.Secret
}

// memory is a log that is kept, to be searched.
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

func build(t *testing.T) *house {
	t.Helper()
	t.Parallel()
	world, err := tgsim.NewWorld(tgsim.Spec{Seed: 4, Channels: 2, Messages: 120})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{T: t, dir: t.TempDir(), world: world, log: &memory{}, tokens: map[string]env.Secret{}}
	h.openStores()
	h.openTelegram()
	h.makeLocks()
	h.start()
	return h
}

func (h *house) openStores() {
	h.Helper()
	p, err := embedded.Redis(context.WithoutCancel(h.Context()), h.dir, slog.New(slog.DiscardHandler))
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { _ = p.Close() })
	h.database, h.redis = pgtest.Empty(h), env.Secret(p.URL)
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
	if err := os.WriteFile(h.path("telegram.pem"), h.telegram.PublicKeyPEM(), 0o600); err != nil {
		h.Fatal(err)
	}
}

func (h *house) path(name string) string { return filepath.Join(h.dir, name) }

// makeLocks makes an authority, a certificate per service, and a token per scope.
func (h *house) makeLocks() {
	h.Helper()
	if _, err := ca.Init(h.dir, time.Now()); err != nil {
		h.Fatal(err)
	}
	for _, name := range []string{"parser", "watermark", "scheduler", "grafana"} {
		h.issue(h.dir, name, time.Now())
	}
	for name, scope := range map[string]auth.Scope{"reader": auth.Read, "operator": auth.Operate, "admin": auth.Admin} {
		h.token(name, scope, func(t *auth.Token) { t.Rate = 1e6 })
	}
}

func (h *house) issue(dir, name string, now time.Time) {
	h.Helper()
	if _, err := ca.Issue(dir, name, []string{"127.0.0.1"}, true, now); err != nil {
		h.Fatal(err)
	}
}

// token adds a token to the file that all services follow.
func (h *house) token(name string, scope auth.Scope, change func(*auth.Token)) {
	h.Helper()
	text, token := auth.NewToken(name, scope, time.Now())
	if change != nil {
		change(&token)
	}
	h.tokens[name] = env.Secret(text)
	if err := auth.ChangeTokens(h.path("tokens.json"), func(all []auth.Token) ([]auth.Token, error) { return append(all, token), nil }); err != nil {
		h.Fatal(err)
	}
}

func (h *house) doors(name string) run.Doors {
	crt, key := ca.Paths(h.dir, name)
	return run.Doors{TLSCertFile: crt, TLSKeyFile: key, TLSCAFile: h.path("ca.crt"), TokensFile: h.path("tokens.json"), AuditLogFile: h.path("audit.log")}
}

// apiHash is a secret that must not be seen anywhere.
const apiHash = "a-hash-that-nobody-sees"

// start starts the three as their own programs do.
func (h *house) start() {
	h.Helper()
	log := slog.New(slog.NewJSONHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w := run.Defaults[watermark.Config]()
	w.DatabaseURL, w.RedisURL = h.database, h.redis
	marks, err := watermark.Open(h.Context(), w, watermark.Deps{Log: log, Registry: prometheus.NewRegistry(), Now: time.Now, About: run.Describe(&w, time.Now())})
	if err != nil {
		h.Fatal(err)
	}
	h.watermark = h.serve(log, "watermark", marks)
	p := run.Defaults[parser.Config]()
	p.DatabaseURL, p.RedisURL, p.SessionKeyFile = h.database, h.redis, h.path("session.key")
	p.TelegramDCs, p.TelegramPublicKeys = strconv.Itoa(h.telegram.DC())+"="+h.telegram.Addr(), h.path("telegram.pem")
	p.APIID, p.APIHash, p.HistoryRate, p.ResolveRate = 1, apiHash, 0, 0
	reader, err := parser.Open(h.Context(), p, parser.Deps{Log: log, Registry: prometheus.NewRegistry(), Now: time.Now, About: run.Describe(&p, time.Now())})
	if err != nil {
		h.Fatal(err)
	}
	h.parser = h.serve(log, "parser", reader)
	s := run.Defaults[scheduler.Config]()
	s.DatabaseURL, s.Tick = h.database, time.Second
	schedule, err := scheduler.Open(h.Context(), s, scheduler.Deps{
		Log: log, Registry: prometheus.NewRegistry(), Now: time.Now, About: run.Describe(&s, time.Now()), Parser: h.peer(log, h.parser), Watermark: h.peer(log, h.watermark),
	})
	if err != nil {
		h.Fatal(err)
	}
	h.scheduler = h.serve(log, "scheduler", schedule)
}

// peer is how the scheduler reaches another service.
func (h *house) peer(log *slog.Logger, addr string) *grpc.ClientConn {
	h.Helper()
	conn, err := h.doors("scheduler").Dial(addr, "--peer-addr", log)
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { _ = conn.Close() })
	return conn
}

func (h *house) serve(log *slog.Logger, name string, s run.Service) string {
	h.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(h.Context()))
	ended, listening := make(chan error, 1), make(chan string, 1)
	go func() {
		ended <- run.Serve(ctx, run.Options{
			GRPCAddr: "127.0.0.1:0", Log: log.With("service", name), Registry: prometheus.NewRegistry(), Grace: time.Second, Doors: h.doors(name),
			OnListen: func(grpc, _ net.Addr) { listening <- grpc.String() },
		}, s)
	}()
	h.Cleanup(func() {
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

// dial connects with a token ("" for none) and a certificate (zero Files for the authority alone).
func (h *house) dial(addr, token string, files auth.Files) *grpc.ClientConn {
	h.Helper()
	if files.CA == "" {
		files.CA = h.path("ca.crt")
	}
	t, err := auth.OpenTLS(files, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		h.Fatal(err)
	}
	opts, err := auth.DialOptions(addr, t, h.secret(token), false)
	if err != nil {
		h.Fatal(err)
	}
	conn, err := rpc.Dial(addr, opts...)
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { _ = conn.Close() })
	return conn
}

func (h *house) secret(token string) env.Secret {
	if text, ok := h.tokens[token]; ok {
		return text
	}
	return env.Secret(token)
}

func (h *house) login() {
	h.Helper()
	account := h.world.Accounts()[0]
	accounts := parserv1.NewAccountServiceClient(h.dial(h.parser, "admin", auth.Files{}))
	stream, err := accounts.StartLogin(h.Context(), &parserv1.StartLoginRequest{Method: &parserv1.StartLoginRequest_Phone{Phone: account.Phone}})
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
			if _, err := accounts.SubmitCode(h.Context(), &parserv1.SubmitCodeRequest{LoginId: state.GetLoginId(), Code: account.Code}); err != nil {
				h.Fatalf("submit the code: %v", err)
			}
		}
	}
}

// follow adds all channels, and answers their ids.
func (h *house) follow() (ids []int64) {
	h.Helper()
	channels := schedulerv1.NewChannelServiceClient(h.dial(h.scheduler, "operator", auth.Files{}))
	for _, c := range h.world.Summaries() {
		added, err := channels.AddChannel(h.Context(), &schedulerv1.AddChannelRequest{Ref: "@" + c.Username})
		if err != nil {
			h.Fatalf("follow @%s: %v", c.Username, err)
		}
		ids = append(ids, added.GetChannel().GetChannel().GetId())
	}
	return ids
}

// eventually waits until fn says "", which is what is still missing.
func (h *house) eventually(fn func() string) {
	h.Helper()
	deadline, ticker := time.After(patience), time.NewTicker(20*time.Millisecond)
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
