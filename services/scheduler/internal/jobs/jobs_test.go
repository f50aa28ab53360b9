package jobs

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/sync/errgroup"

	"github.com/tidemark/tidemark/kit/pg/pgtest"
	"github.com/tidemark/tidemark/services/scheduler/internal/plan"
	"github.com/tidemark/tidemark/services/scheduler/internal/plan/plantest"
	"github.com/tidemark/tidemark/services/scheduler/internal/postgres"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// house is a scheduler without its wire: real Postgres and River, on a made-up world.
type house struct {
	*testing.T
	world *plantest.World
	pool  *pgxpool.Pool
	store *postgres.Store
}

func build(t *testing.T) *house {
	t.Helper()
	t.Parallel()
	h := &house{T: t, world: plantest.NewWorld(), pool: pgtest.New(t, postgres.Schema, postgres.Migrations(), Migrate(postgres.Schema))}
	h.store = postgres.New(h.pool, nil)
	return h
}

// scheduler is one running process.
type scheduler struct {
	stop    context.CancelFunc
	ended   chan error
	ticker  *Ticker
	metrics *prometheus.Registry
}

func (h *house) start(owner string) *scheduler {
	h.Helper()
	s := &scheduler{metrics: prometheus.NewRegistry(), ended: make(chan error, 1)}
	metrics := NewMetrics(s.metrics)
	var queue *Queue
	store := postgres.New(h.pool, func(ctx context.Context, tx pgx.Tx, jobs []postgres.Job) error {
		args := make([]Args, len(jobs))
		for i, j := range jobs {
			args[i] = Args{int64(j.Channel), j.Epoch}
		}
		return queue.Insert(ctx, tx, args)
	})
	runner := plan.Runner{
		Store: store, Parser: h.world, Marks: h.world, Owner: owner, Now: time.Now, Ended: metrics.Ended,
		Policy: plan.Policy{SlicePages: 3, RunTimeout: time.Minute, Turn: 50 * time.Millisecond, ClaimTTL: time.Second},
	}
	planner := plan.Planner{Store: store, Parser: h.world, Marks: h.world}
	tick := func(ctx context.Context, now time.Time) (plan.Ticked, error) {
		if err := Replace(ctx, h.pool, postgres.Schema, time.Second); err != nil {
			return plan.Ticked{}, err
		}
		return planner.Tick(ctx, now)
	}
	s.ticker = &Ticker{Pool: h.pool, Tick: tick, Every: 50 * time.Millisecond, Now: time.Now, Log: slog.New(slog.DiscardHandler), Ended: metrics.Ticked}
	var err error
	queue, err = New(h.pool, Config{Schema: postgres.Schema, Workers: 4, Longest: 2 * time.Minute, Log: slog.New(slog.DiscardHandler), Wake: s.ticker.Wake}, runner.Work)
	if err != nil {
		h.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(h.Context()))
	loops, loopsCtx := errgroup.WithContext(ctx)
	loops.Go(func() error { return queue.Run(loopsCtx) })
	loops.Go(func() error { return s.ticker.Run(loopsCtx) })
	go func() { s.ended <- loops.Wait() }()
	s.stop = stop
	h.Cleanup(func() {
		stop()
		if err := <-s.ended; err != nil {
			h.Errorf("scheduler %s ended with %v", owner, err)
		}
	})
	return s
}

func (h *house) add(channels ...plan.ChannelID) {
	h.Helper()
	for _, c := range channels {
		if _, _, err := h.store.Add(h.Context(), plan.Channel{ID: c, Interval: 10 * time.Second}, time.Now()); err != nil {
			h.Fatal(err)
		}
	}
}

func (h *house) eventually(what string, fn func() bool) {
	h.Helper()
	if err := plantest.Settled(h.Context(), fn); err != nil {
		h.Fatalf("%s: %v", what, err)
	}
}

func (h *house) channel(id plan.ChannelID) plan.Channel {
	h.Helper()
	c, err := h.store.Channel(h.Context(), id)
	if err != nil {
		h.Fatal(err)
	}
	return c
}

func TestHistoryThenNewsThenIdle(t *testing.T) {
	h := build(t)
	h.world.Grow(1, 250)
	h.add(1)
	s := h.start("a")
	h.eventually("history", func() bool { return h.world.Complete(1) && h.channel(1).State == plan.Idle })
	h.world.Grow(1, 260)
	if queued, err := h.store.Trigger(t.Context(), 1, time.Now()); err != nil || !queued {
		t.Fatalf("trigger: %v, %v", queued, err)
	}
	s.ticker.Wake()
	h.eventually("news", func() bool { return h.world.Complete(1) && h.channel(1).State == plan.Idle })
	runs, err := h.store.Runs(t.Context(), 1, "", 1<<62, 100)
	if err != nil {
		t.Fatal(err)
	}
	if newest := runs[0]; newest.Mode != plan.Incremental || newest.Outcome != plan.Done || newest.New != 10 || newest.Covered != 10 {
		t.Errorf("got newest run %+v, want INCREMENTAL, DONE, 10 posts", newest)
	}
	for _, r := range runs[1:] {
		if r.Mode != plan.Historical || r.Outcome != plan.More && r.Outcome != plan.Done {
			t.Errorf("got run %+v, want HISTORICAL slices", r)
		}
	}
	ended, err := h.store.Ended(t.Context(), 1, 0, 100)
	if err != nil || len(ended) != len(runs) {
		t.Errorf("got %d runs in order of ending, %v, want all %d", len(ended), err, len(runs))
	}
	for _, series := range []string{"scheduler_ticks_total", "scheduler_runs_total", "scheduler_run_seconds"} {
		if n, err := testutil.GatherAndCount(s.metrics, series); err != nil || n == 0 {
			t.Errorf("%s never moved: %v", series, err)
		}
	}
}

func TestOneFailingChannelDelaysNobody(t *testing.T) {
	h := build(t)
	var ids []plan.ChannelID
	for id := plan.ChannelID(1); id <= 21; id++ {
		h.world.Grow(id, 95)
		ids = append(ids, id)
	}
	h.world.Trouble(7, &plan.Problem{Kind: plan.Barred, Reason: "CHANNEL_PRIVATE", Message: "private"})
	release := h.world.Hold(8) // and one that hangs
	defer release()
	h.add(ids...)
	h.start("a")
	h.eventually("the other 19", func() bool {
		for _, id := range ids {
			if id != 7 && id != 8 && !h.world.Complete(id) {
				return false
			}
		}
		return true
	})
	h.eventually("blocked, with its reason", func() bool {
		c, check := h.channel(7), h.world.Checked(7)
		return c.State == plan.Blocked && c.Reason == "CHANNEL_PRIVATE" && check.State == plan.Blocked && check.Reason == "CHANNEL_PRIVATE"
	})
	if next := h.channel(7).NextRunAt; time.Until(next) < 5*time.Second {
		t.Errorf("the private channel is asked again at %s, want a pause", next)
	}
}

func TestAFloodIsWaitedForAndIsNoFailure(t *testing.T) {
	h := build(t)
	h.world.Grow(1, 50)
	h.world.Trouble(1, &plan.Problem{Kind: plan.Flooded, Reason: "FLOOD_WAIT", Message: "wait", Retry: time.Hour})
	h.add(1)
	h.start("a")
	h.eventually("blocked until then", func() bool {
		c := h.channel(1)
		return c.State == plan.Blocked && c.Reason == "FLOOD_WAIT" && time.Until(c.NextRunAt) > 50*time.Minute
	})
}

func TestTwoSchedulersNeverRunAChannelTwice(t *testing.T) {
	h := build(t)
	var ids []plan.ChannelID
	for id := plan.ChannelID(1); id <= 12; id++ {
		h.world.Grow(id, 400)
		ids = append(ids, id)
	}
	h.add(ids...)
	h.start("a")
	h.start("b")
	h.eventually("all", func() bool {
		for _, id := range ids {
			if !h.world.Complete(id) {
				return false
			}
		}
		return true
	})
	if n := h.world.Overlaps(); n != 0 {
		t.Errorf("%d times two reads of one channel went on at once", n)
	}
}

// A worker that dies leaves a claim and a running job behind; here it is one that never comes back from a claim.
func TestADeadWorkersChannelIsTakenOver(t *testing.T) {
	h := build(t)
	h.world.Grow(1, 95)
	h.add(1)
	if _, err := h.store.Claim(t.Context(), 1, "dead", time.Second); err != nil {
		t.Fatal(err)
	}
	lost, err := h.store.Begin(t.Context(), 1, plan.Historical, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	h.start("b")
	h.eventually("taken over", func() bool { return h.world.Complete(1) })
	run, err := h.store.Run(t.Context(), lost)
	if err != nil || run.Outcome != plan.Lost || run.FinishedAt.IsZero() {
		t.Errorf("got %+v, %v, want the dead worker's run closed as lost", run, err)
	}
	if err := h.store.Release(t.Context(), "dead", plan.Next{Channel: 1, State: plan.Idle, At: time.Now()}); !errors.Is(err, plan.ErrTaken) {
		t.Errorf("the dead worker released what is another's: %v", err)
	}
}

func TestPausedInMidReadStops(t *testing.T) {
	h := build(t)
	h.world.Grow(1, 5000)
	release := h.world.Hold(1)
	h.add(1)
	h.start("a")
	<-h.world.Started()
	if _, err := h.store.Pause(t.Context(), 1, "maintenance"); err != nil {
		t.Fatal(err)
	}
	h.eventually("the worker noticed", func() bool { return len(h.claimed()) == 0 })
	release()
	before := h.world.Slices(1)
	if c := h.channel(1); c.State != plan.Paused || !c.NextRunAt.IsZero() || c.Note != "maintenance" {
		t.Errorf("got %+v, want paused with the note", c)
	}
	if _, err := h.store.Resume(t.Context(), 1, time.Now()); err != nil {
		t.Fatal(err)
	}
	h.eventually("read on", func() bool { return h.world.Slices(1) > before })
}

func (h *house) claimed() (ids []int64) {
	h.Helper()
	rows, err := h.pool.Query(h.Context(), "SELECT channel_id FROM scheduler.channels WHERE claimed_by IS NOT NULL")
	if err != nil {
		h.Fatal(err)
	}
	ids, err = pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		h.Fatal(err)
	}
	return ids
}

func TestATickThatFailsMovesNothing(t *testing.T) {
	h := build(t)
	h.world.Grow(1, 50)
	h.add(1)
	h.world.Down(errors.New("the parser does not answer"))
	s := h.start("a")
	h.eventually("the failure shows", func() bool { _, err := s.ticker.Problem(); return err != nil })
	if c := h.channel(1); c.State != plan.New {
		t.Errorf("got %s, want the channel untouched", c.State)
	}
	h.world.Down(nil)
	h.eventually("all is well again", func() bool { _, err := s.ticker.Problem(); return err == nil && h.world.Complete(1) })
}
