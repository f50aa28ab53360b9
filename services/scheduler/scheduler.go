// Package scheduler is the service that decides which channel is due, in which mode, and runs it.
//
// It keeps what to do when, and what was done; what is covered belongs to the watermark, and posts to the parser, both of which it calls. Several
// schedulers work side by side on one database.
package scheduler

import (
	"context"
	"crypto/rand"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	schedulerv1 "github.com/tidemark/tidemark/gen/tidemark/scheduler/v1"
	"github.com/tidemark/tidemark/kit/env"
	"github.com/tidemark/tidemark/kit/pg"
	"github.com/tidemark/tidemark/kit/run"
	"github.com/tidemark/tidemark/kit/telemetry"
	"github.com/tidemark/tidemark/services/scheduler/internal/jobs"
	"github.com/tidemark/tidemark/services/scheduler/internal/peers"
	"github.com/tidemark/tidemark/services/scheduler/internal/plan"
	"github.com/tidemark/tidemark/services/scheduler/internal/postgres"
	"github.com/tidemark/tidemark/services/scheduler/internal/rpc"
)

const (
	// tickEvery is how late a channel is noticed to be due, at most.
	tickEvery = time.Second
	// turn is how long a worker stays with one channel before it lets another have its place.
	turn = 20 * time.Second
	// claimTTL is after how much silence a worker has lost its channel.
	claimTTL = 6 * time.Second
)

// Deps are what the process hands in: among them the ways to the two services that this one calls.
type Deps struct {
	Log               *slog.Logger
	Registry          prometheus.Registerer
	Traces            *telemetry.Traces // nil: makes none
	Now               func() time.Time
	Parser, Watermark grpc.ClientConnInterface
	About             run.About // what ConfigService answers
}

// Service is the scheduler, opened.
type Service struct {
	pool   *pgxpool.Pool
	store  *postgres.Store
	queue  *jobs.Queue
	ticker *jobs.Ticker
	parser peers.Parser
	config Config
	deps   Deps
	opened time.Time
}

// Open migrates the schema, connects, and builds the rooms.
func Open(ctx context.Context, c Config, d Deps) (*Service, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if err := Migrate(ctx, c.DatabaseURL); err != nil {
		return nil, err
	}
	pool, err := pg.Open(ctx, c.DatabaseURL, pg.Options{App: "scheduler", MaxConns: int32(c.Workers) + 8, Traces: d.Traces})
	if err != nil {
		return nil, err
	}
	s := &Service{pool: pool, parser: peers.NewParser(d.Parser), config: c, deps: d, opened: d.Now()}
	s.store = postgres.New(pool, s.insert)
	if err := s.build(); err != nil {
		pool.Close()
		return nil, err
	}
	return s, nil
}

func (s *Service) build() (err error) {
	s.deps.Registry.MustRegister(telemetry.State(gauges, s.show))
	marks, metrics := peers.NewMarks(s.deps.Watermark), jobs.NewMetrics(s.deps.Registry)
	runner := plan.Runner{
		Store: s.store, Parser: s.parser, Marks: marks, Owner: rand.Text(), Now: s.deps.Now, Ended: metrics.Ended,
		Follow: jobs.Follow(s.deps.Log, s.deps.Traces, s.deps.Now),
		Policy: plan.Policy{SlicePages: s.config.SlicePages, RunTimeout: s.config.RunTimeout, Turn: turn, ClaimTTL: claimTTL, Lookback: s.config.Lookback},
	}
	planner := plan.Planner{Store: s.store, Parser: s.parser, Marks: marks}
	tick := func(ctx context.Context, now time.Time) (plan.Ticked, error) {
		if err := jobs.Replace(ctx, s.pool, postgres.Schema, claimTTL); err != nil {
			return plan.Ticked{}, err
		}
		did, err := planner.Tick(ctx, now)
		if err != nil {
			return did, err
		}
		return did, s.store.Ticked(ctx)
	}
	s.ticker = &jobs.Ticker{Pool: s.pool, Tick: tick, Every: tickEvery, Now: s.deps.Now, Log: s.deps.Log, Ended: metrics.Ticked}
	s.queue, err = jobs.New(s.pool, jobs.Config{
		Schema: postgres.Schema, Workers: s.config.Workers, Longest: s.config.RunTimeout + turn + 30*time.Second, Log: quiet(s.deps.Log), Wake: s.ticker.Wake,
	}, runner.Work)
	return err
}

// quiet lets River speak of trouble only.
func quiet(log *slog.Logger) *slog.Logger { return slog.New(atLeast{log.Handler(), slog.LevelWarn}) }

type atLeast struct {
	slog.Handler
	level slog.Level
}

func (h atLeast) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= h.level && h.Handler.Enabled(ctx, l)
}

// insert queues jobs in the store's transaction.
func (s *Service) insert(ctx context.Context, tx pgx.Tx, queued []postgres.Job) error {
	args := make([]jobs.Args, len(queued))
	for i, j := range queued {
		args[i] = jobs.Args{Channel: int64(j.Channel), Epoch: j.Epoch}
	}
	return s.queue.Insert(ctx, tx, args)
}

// Migrate brings the service's schema, and the job queue's tables in it, up to what this program knows.
func Migrate(ctx context.Context, url env.Secret) error {
	return pg.Migrate(ctx, url, postgres.Schema, postgres.Migrations(), jobs.Migrate(postgres.Schema))
}

// Name is the service's short name.
func (s *Service) Name() string { return "scheduler" }

// Register adds the handlers.
func (s *Service) Register(r grpc.ServiceRegistrar) {
	schedulerv1.RegisterChannelServiceServer(r, &rpc.Channels{Store: s.store, Parser: s.parser, Interval: s.config.Tick, Now: s.deps.Now, Wake: s.ticker.Wake})
	schedulerv1.RegisterRunServiceServer(r, &rpc.Runs{Store: s.store, Marks: peers.NewMarks(s.deps.Watermark), Now: s.deps.Now, Wake: s.ticker.Wake})
	schedulerv1.RegisterSchedulerServiceServer(r, &rpc.Status{Overview: s.overview})
	schedulerv1.RegisterConfigServiceServer(r, &rpc.ConfigServer{About: s.deps.About})
}

func (s *Service) overview(ctx context.Context) (rpc.Overview, error) {
	o, err := s.store.Overview(ctx, s.deps.Now())
	if err != nil {
		return rpc.Overview{}, err
	}
	last, _, err := s.store.LastTick(ctx)
	if err != nil {
		return rpc.Overview{}, err
	}
	queued, err := jobs.Waiting(ctx, s.pool, postgres.Schema)
	return rpc.Overview{
		LastTick: last, TickEvery: tickEvery, Due: o.Due, Queued: queued, InFlight: o.InFlight, States: o.States, LastProgress: o.LastProgress, OldestDue: o.OldestDue,
	}, err
}

// Run ticks and works until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	loops, ctx := errgroup.WithContext(ctx)
	loops.Go(func() error { return s.queue.Run(ctx) })
	loops.Go(func() error { return s.ticker.Run(ctx) })
	return loops.Wait()
}

// Close frees the connections.
func (s *Service) Close() { s.pool.Close() }
