// Package parser is the service that reads Telegram and stores what it reads.
//
// It reads ranges of message ids that others name, proves which of them it covered, keeps posts with their revisions in Postgres, and publishes an
// event for every change to a Redis stream. Accounts log in here; nobody else talks to Telegram.
package parser

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	parserv1 "github.com/tidemark/tidemark/gen/tidemark/parser/v1"
	"github.com/tidemark/tidemark/kit/env"
	"github.com/tidemark/tidemark/kit/pg"
	"github.com/tidemark/tidemark/kit/redistrace"
	"github.com/tidemark/tidemark/kit/run"
	"github.com/tidemark/tidemark/kit/telemetry"
	"github.com/tidemark/tidemark/services/parser/internal/account"
	"github.com/tidemark/tidemark/services/parser/internal/ingest"
	"github.com/tidemark/tidemark/services/parser/internal/outbox"
	"github.com/tidemark/tidemark/services/parser/internal/postgres"
	"github.com/tidemark/tidemark/services/parser/internal/rpc"
	"github.com/tidemark/tidemark/services/parser/internal/telegram"
)

// Deps are what the process hands in.
type Deps struct {
	Log      *slog.Logger
	Registry prometheus.Registerer
	Traces   *telemetry.Traces // nil: makes none
	Now      func() time.Time
	About    run.About // what ConfigService answers
	// Address is where other parsers reach this one's gRPC, HOST:PORT; empty when there are none.
	Address string
	// Dial reaches another parser; nil when there is none.
	Dial func(addr string) (*grpc.ClientConn, error)
}

// Service is the parser service, opened.
type Service struct {
	config   Config
	log      *slog.Logger
	now      func() time.Time
	pool     *pgxpool.Pool
	redis    *redis.Client
	telegram *telegram.Pool
	relay    *outbox.Relay
	outbox   *postgres.Outbox
	able     able

	directory account.Directory
	published prometheus.Counter

	parser   *rpc.Forwarder
	posts    *rpc.PostServer
	bad      *rpc.QuarantineServer
	accounts *rpc.AccountServer
	about    *rpc.ConfigServer
}

// Open migrates the schema, connects, and builds the rooms. Telegram is not asked before Run.
func Open(ctx context.Context, c Config, d Deps) (*Service, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	sealer, err := account.OpenSealer(c.SessionKey.Reveal(), c.SessionKeyFile)
	if err != nil {
		return nil, err
	}
	client, err := newRedis(c.RedisURL)
	if err != nil {
		return nil, err
	}
	redistrace.Follow(client, d.Traces)
	s := &Service{config: c, log: d.Log, now: d.Now, redis: client, published: newPublished(d.Registry)}
	if err := Migrate(ctx, c.DatabaseURL); err != nil {
		s.Close()
		return nil, err
	}
	if s.pool, err = pg.Open(ctx, c.DatabaseURL, pg.Options{App: "parser", MaxConns: c.MaxConns, Traces: d.Traces}); err != nil {
		s.Close()
		return nil, err
	}
	if err := s.build(ctx, d, sealer); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Service) build(ctx context.Context, d Deps, sealer *account.Sealer) (err error) {
	s.outbox = postgres.NewOutbox(s.pool)
	if err := s.outbox.KeepDays(ctx, s.now(), s.config.KeepEvents); err != nil {
		return err
	}
	accounts := postgres.NewAccounts(s.pool, sealer)
	t := s.config.Telegram
	s.telegram, err = telegram.Open(ctx, telegram.Config{
		DCs: t.TelegramDCs, PublicKeysFile: t.TelegramPublicKeys, APIID: t.APIID, APIHash: t.APIHash, HistoryRate: t.HistoryRate, ResolveRate: resolveRate(t), Address: d.Address,
	}, telegram.Deps{Log: d.Log, Registry: d.Registry, Now: d.Now, Store: accounts, Calling: calling(d.Traces)})
	if err != nil {
		return err
	}
	s.relay = outbox.NewRelay(s.outbox, s.redis, s.config.Stream, d.Log, d.Traces, func(n int) { s.published.Add(float64(n)) })
	posts := postgres.NewPosts(s.pool, outbox.Encode, s.relay.Wake)
	ingester := ingest.New(s.telegram, posts, d.Now)
	local := rpc.NewParserServer(s.telegram, ingester, d.Log, rpc.NewMetrics(d.Registry))
	s.parser = rpc.NewForwarder(local, func(ctx context.Context) ([]string, error) {
		if d.Dial == nil {
			return nil, nil
		}
		return accounts.Holders(ctx, s.telegram.Owner())
	}, d.Dial)
	s.bad = rpc.NewQuarantineServer(posts, posts, s.parser)
	s.posts = rpc.NewPostServer(posts)
	s.directory = accounts
	d.Registry.MustRegister(telemetry.State(gauges, s.show))
	s.accounts = rpc.NewAccountServer(s.telegram, accounts, d.Now)
	s.about = &rpc.ConfigServer{About: d.About}
	return nil
}

func newRedis(url env.Secret) (*redis.Client, error) {
	options, err := redis.ParseURL(url.Reveal())
	if err != nil {
		return nil, errors.New("the Redis URL is malformed: want redis://HOST:PORT/DB")
	}
	options.MaxRetries = -1 // the relay tries again, slower
	options.ContextTimeoutEnabled = true
	return redis.NewClient(options), nil
}

// Migrate brings the service's schema up to what this program knows.
func Migrate(ctx context.Context, url env.Secret) error { return postgres.Migrate(ctx, url) }

// Name is the service's short name.
func (s *Service) Name() string { return "parser" }

// Register adds the handlers.
func (s *Service) Register(r grpc.ServiceRegistrar) {
	parserv1.RegisterParserServiceServer(r, s.parser)
	parserv1.RegisterPostServiceServer(r, s.posts)
	parserv1.RegisterQuarantineServiceServer(r, s.bad)
	parserv1.RegisterAccountServiceServer(r, s.accounts)
	parserv1.RegisterConfigServiceServer(r, s.about)
}

// Run keeps the accounts connected, publishes events, and keeps the days of events, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() error { return s.telegram.Run(ctx) })
	work.Go(func() error { return s.relay.Run(ctx) })
	work.Go(func() error { s.every(ctx, time.Hour, s.keepDays); return nil })
	return work.Wait()
}

func (s *Service) every(ctx context.Context, d time.Duration, do func(context.Context)) {
	ticker := time.NewTicker(d)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			do(ctx)
		case <-ctx.Done():
			return
		}
	}
}

func (s *Service) keepDays(ctx context.Context) {
	if err := s.outbox.KeepDays(ctx, s.now(), s.config.KeepEvents); err != nil && ctx.Err() == nil {
		s.log.ErrorContext(ctx, "keep days of events", "err", err)
	}
}

// Close frees the connections.
func (s *Service) Close() {
	if s.telegram != nil {
		s.telegram.Close()
	}
	if s.parser != nil {
		s.parser.Close()
	}
	_ = s.redis.Close()
	if s.pool != nil {
		s.pool.Close()
	}
}

// resolveRate is what the reader wants: it takes 0 for its own careful default.
func resolveRate(t Telegram) float64 {
	if t.ResolveRate == 0 {
		return 1e6
	}
	return t.ResolveRate
}
