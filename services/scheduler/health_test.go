package scheduler_test

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	parserv1 "github.com/tidemark/tidemark/gen/tidemark/parser/v1"
	schedulerv1 "github.com/tidemark/tidemark/gen/tidemark/scheduler/v1"
	typev1 "github.com/tidemark/tidemark/gen/tidemark/type/v1"
	watermarkv1 "github.com/tidemark/tidemark/gen/tidemark/watermark/v1"
	"github.com/tidemark/tidemark/kit/env"
	"github.com/tidemark/tidemark/kit/pg/pgtest"
	"github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/services/scheduler"
)

// moody answers probes or does not.
type moody struct {
	*telegram
	down atomic.Bool
}

func (m *moody) ProbeChannels(ctx context.Context, r *parserv1.ProbeChannelsRequest) (*parserv1.ProbeChannelsResponse, error) {
	if m.down.Load() {
		return nil, rpc.Error(codes.FailedPrecondition, "NO_ACCOUNT", "no account can read")
	}
	return m.telegram.ProbeChannels(ctx, r)
}

// process is one scheduler on a database, with a clock of its own that stands ahead by what the test says.
type process struct {
	*scheduler.Service
	ahead   atomic.Int64
	metrics *prometheus.Registry
}

func (m *moody) start(t *testing.T, database env.Secret) *process {
	t.Helper()
	peers := loop(t, func(r grpc.ServiceRegistrar) {
		parserv1.RegisterParserServiceServer(r, m)
		watermarkv1.RegisterWatermarkServiceServer(r, m)
	})
	p := &process{metrics: prometheus.NewRegistry()}
	var err error
	p.Service, err = scheduler.Open(t.Context(), scheduler.Config{DatabaseURL: database, Tick: time.Minute, Workers: 2, SlicePages: 5, RunTimeout: 10 * time.Second},
		scheduler.Deps{
			Log: slog.New(slog.DiscardHandler), Registry: p.metrics, Parser: peers, Watermark: peers,
			Now: func() time.Time { return time.Now().Add(time.Duration(p.ahead.Load())) },
		})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("ended with %v", err)
		}
		p.Close()
	})
	return p
}

// works waits for a run: all of the process is up then.
func (p *process) works(t *testing.T) {
	t.Helper()
	conn := loop(t, p.Register)
	watch, err := schedulerv1.NewRunServiceClient(conn).WatchRuns(t.Context(), &schedulerv1.WatchRunsRequest{ResumeToken: "0"})
	if err == nil {
		_, err = schedulerv1.NewChannelServiceClient(conn).AddChannel(t.Context(), &schedulerv1.AddChannelRequest{Ref: "42"})
	}
	if err == nil {
		_, err = watch.Recv()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func newMoody() *moody {
	return &moody{telegram: &telegram{covered: map[int64][]*typev1.IdRange{}}}
}

// await waits until the reason why the process is not ready holds want; "" is until it is ready.
func (p *process) await(t *testing.T, want string) {
	t.Helper()
	deadline, ticker := time.After(20*time.Second), time.NewTicker(50*time.Millisecond)
	defer ticker.Stop()
	for {
		err := p.Ready(t.Context())
		if want == "" && err == nil || want != "" && err != nil && strings.Contains(err.Error(), want) {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("got %v, want %q", err, want)
		case <-ticker.C:
		}
	}
}

// untilNote waits until the process's note is as it should be, and does what it is told to before each look.
func (p *process) untilNote(t *testing.T, right func(string) bool, before func()) {
	t.Helper()
	deadline, ticker := time.After(20*time.Second), time.NewTicker(50*time.Millisecond)
	defer ticker.Stop()
	for {
		if before != nil {
			before()
		}
		note := p.Note(t.Context())
		if right(note) {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("got note %q", note)
		case <-ticker.C:
		}
	}
}

func connect(t *testing.T, database env.Secret) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

// A scheduler that never gets the right to tick is well only as long as whoever has it does tick.
func TestReadyAsksTheStoreWhenTheLastTickWas(t *testing.T) {
	t.Parallel()
	database := pgtest.Empty(t)
	p := newMoody().start(t, database)
	p.await(t, "")
	other := connect(t, database) // stands for a scheduler that hangs in its tick
	run := func(sql string) {
		t.Helper()
		if _, err := other.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	run("SELECT pg_advisory_lock(1953063787)") // "tick"
	p.ahead.Store(int64(time.Hour))            // this process has been up for long
	run("UPDATE scheduler.ticks SET ended_at = clock_timestamp() - interval '18 seconds'")
	p.await(t, "no tick for ")
	run("UPDATE scheduler.ticks SET ended_at = clock_timestamp() - interval '10 seconds'") // long, but one may take that
	p.await(t, "")
	run("UPDATE scheduler.ticks SET ended_at = clock_timestamp() - interval '1 hour'")
	p.await(t, "no tick for 1h0m")
	run("SELECT pg_advisory_unlock(1953063787)")
	p.await(t, "")
}

func TestReadySaysWhyTicksFailAndRecovers(t *testing.T) {
	t.Parallel()
	m, database := newMoody(), pgtest.Empty(t)
	p := m.start(t, database)
	p.works(t)
	p.await(t, "")
	m.down.Store(true)
	began := time.Now()
	if _, err := connect(t, database).Exec(t.Context(), "UPDATE scheduler.channels SET next_run_at = now()"); err != nil {
		t.Fatal(err)
	}
	p.await(t, "no account can read")
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s to notice", took)
	}
	m.down.Store(false)
	p.await(t, "")
	p.untilNote(t, func(note string) bool { return note == "" }, nil) // its own word comes a moment after the store's
}

// Of two schedulers one cannot reach the parser: channels are noticed all the same, and that one says what ails it.
func TestAScheduleThatOnlyAnotherKeepsIsANote(t *testing.T) {
	t.Parallel()
	well, ill, database := newMoody(), newMoody(), pgtest.Empty(t)
	a := well.start(t, database)
	a.works(t)
	ill.down.Store(true)
	b := ill.start(t, database)
	store := connect(t, database)
	b.untilNote(t, func(note string) bool { return note != "" }, func() {
		if _, err := store.Exec(t.Context(), "UPDATE scheduler.channels SET next_run_at = now() WHERE claimed_by IS NULL"); err != nil { // due whoever ticks next
			t.Fatal(err)
		}
	})
	a.await(t, "")
	b.await(t, "")
}

func TestReadyNamesAPostgresThatIsAwayAndRecovers(t *testing.T) {
	t.Parallel()
	database := pgtest.Empty(t)
	p := newMoody().start(t, database)
	p.works(t)
	back := pgtest.Away(t, database)
	p.await(t, "Postgres does not answer")
	back()
	p.await(t, "")
}

func TestStatesAreShown(t *testing.T) {
	t.Parallel()
	database := pgtest.Empty(t)
	p := newMoody().start(t, database)
	p.works(t)
	store := connect(t, database)
	for _, sql := range []string{ // channels that nothing happens to while we look
		"SELECT pg_advisory_lock(1953063787)", // nobody ticks
		"UPDATE scheduler.channels SET removed_at = now()",
		`INSERT INTO scheduler.channels (channel_id, username, title, supergroup, protected, state, interval_ms, next_run_at, checked_at, created_at)
			SELECT id, '', '', false, false, state, 60000, now() - due * interval '1 s', now() - checked * interval '1 s', now()
			FROM (VALUES (1, 'idle', 30, 239), (2, 'active', -30, 241), (3, 'blocked', -30, 9999), (4, 'paused', -30, 9999)) c (id, state, due, checked)`,
		"UPDATE scheduler.ticks SET ended_at = clock_timestamp() - interval '100 s'",
	} {
		if _, err := store.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	families, err := p.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			got[name] = m.GetGauge().GetValue()
		}
	}
	for name, want := range map[string]float64{
		"scheduler_tick_age_seconds": 100, "scheduler_channels_late": 1, "scheduler_channel_checked_age_seconds": 241, "scheduler_due": 1, "scheduler_due_oldest_seconds": 30,
		"scheduler_channels idle": 1, "scheduler_channels active": 1, "scheduler_channels blocked": 1, "scheduler_channels paused": 1, "scheduler_channels new": 0,
		"scheduler_queued": 0, "scheduler_in_flight": 0,
	} {
		if value, ok := got[name]; !ok || value < want || value > want+20 || want <= 1 && value != want {
			t.Errorf("%s: got %v (shown: %t), want %v", name, value, ok, want)
		}
	}
}
