// Package watermark is the service that knows, per channel and pipeline stage, exactly what is done.
//
// It is small, fast, and knows nothing of Telegram: a mark is a set of message-id ranges, and this service is the only one that
// moves it. Postgres holds the truth, Redis a copy that may vanish.
package watermark

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc"

	watermarkv1 "github.com/tidemark/tidemark/gen/tidemark/watermark/v1"
	"github.com/tidemark/tidemark/kit/env"
	"github.com/tidemark/tidemark/kit/pg"
	"github.com/tidemark/tidemark/kit/redistrace"
	"github.com/tidemark/tidemark/kit/run"
	"github.com/tidemark/tidemark/kit/telemetry"
	"github.com/tidemark/tidemark/services/watermark/internal/cache"
	"github.com/tidemark/tidemark/services/watermark/internal/postgres"
	"github.com/tidemark/tidemark/services/watermark/internal/rpc"
)

// Deps are what the process hands in.
type Deps struct {
	Log      *slog.Logger
	Registry prometheus.Registerer
	Traces   *telemetry.Traces // nil: makes none
	Now      func() time.Time
	About    run.About // what ConfigService answers
}

// Service is the watermark service, opened.
type Service struct {
	pool   *pgxpool.Pool
	store  *postgres.Store
	redis  *redis.Client // nil: no cache
	server *rpc.Server
	about  run.About
}

// Open migrates the schema, connects, and builds the rooms.
func Open(ctx context.Context, c Config, d Deps) (*Service, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if err := Migrate(ctx, c.DatabaseURL); err != nil {
		return nil, err
	}
	pool, err := pg.Open(ctx, c.DatabaseURL, pg.Options{App: "watermark", MaxConns: c.MaxConns, Traces: d.Traces})
	if err != nil {
		return nil, err
	}
	s := &Service{pool: pool, store: postgres.New(pool), about: d.About}
	metrics := rpc.NewMetrics(d.Registry)
	var reads *cache.Cache
	if c.RedisURL != "" {
		if s.redis, err = cache.Open(c.RedisURL.Reveal()); err != nil {
			pool.Close()
			return nil, err
		}
		redistrace.Follow(s.redis, d.Traces)
		reads = cache.New(s.redis, d.Log, metrics.CacheRead)
	}
	d.Registry.MustRegister(telemetry.State(gauges, s.show))
	s.server = rpc.NewServer(s.store, reads, d.Now, metrics)
	return s, nil
}

// Migrate brings the service's schema up to what this program knows.
func Migrate(ctx context.Context, url env.Secret) error { return postgres.Migrate(ctx, url) }

// Name is the service's short name.
func (s *Service) Name() string { return "watermark" }

// Register adds the handlers.
func (s *Service) Register(r grpc.ServiceRegistrar) {
	watermarkv1.RegisterWatermarkServiceServer(r, s.server)
	watermarkv1.RegisterConfigServiceServer(r, &rpc.ConfigServer{About: s.about})
}

// Run waits for the end: this service has no work of its own.
func (s *Service) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Close frees the connections.
func (s *Service) Close() {
	if s.redis != nil {
		_ = s.redis.Close()
	}
	s.pool.Close()
}
