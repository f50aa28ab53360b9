package plan_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark/tidemark/services/scheduler/internal/plan"
	"github.com/tidemark/tidemark/services/scheduler/internal/plan/plantest"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// bench is a runner and a planner on fakes, at a standstill of time.
type bench struct {
	*testing.T
	world *plantest.World
	store *plantest.Store
	plan.Runner
	planner plan.Planner
	ended   []plan.Run
}

func newBench(t *testing.T) *bench {
	t.Helper()
	t.Parallel()
	b := &bench{T: t, world: plantest.NewWorld(), store: plantest.NewStore(func() time.Time { return now })}
	b.Runner = plan.Runner{
		Store: b.store, Parser: b.world, Marks: b.world, Owner: "me", Now: func() time.Time { return now }, Ended: func(r plan.Run) { b.ended = append(b.ended, r) },
		Policy: plan.Policy{SlicePages: 3, RunTimeout: time.Minute, Turn: time.Minute, ClaimTTL: time.Hour},
	}
	b.planner = plan.Planner{Store: b.store, Parser: b.world, Marks: b.world}
	return b
}

func (b *bench) follow(c plan.Channel) {
	b.Helper()
	if c.Interval == 0 {
		c.Interval = 5 * time.Minute
	}
	if _, _, err := b.store.Add(b.Context(), c, now); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) channel(id plan.ChannelID) plan.Channel {
	b.Helper()
	c, err := b.store.Channel(b.Context(), id)
	if err != nil {
		b.Fatal(err)
	}
	return c
}

func (b *bench) work(id plan.ChannelID) (more bool) {
	b.Helper()
	more, err := b.Work(b.Context(), id)
	if err != nil {
		b.Fatal(err)
	}
	return more
}

func (b *bench) tick() (plan.Ticked, error) { return b.planner.Tick(b.Context(), now) }

func TestWorkReadsToTheEnd(t *testing.T) {
	b := newBench(t)
	b.world.Grow(1, 95)
	b.follow(plan.Channel{ID: 1})
	if more := b.work(1); more {
		t.Error("got more to do, want the end")
	}
	if c := b.channel(1); !b.world.Complete(1) || c.State != plan.Idle || c.Failures != 0 || !c.AdvancedAt.Equal(now) || !c.CheckedAt.Equal(now) || !c.NextRunAt.After(now) {
		t.Errorf("got %+v, covered %v, want everything covered, idle, looked at later", c, b.world.Mark(1).Covered)
	}
	if len(b.ended) != 4 || b.ended[0].Outcome != plan.More || b.ended[3].Outcome != plan.Done {
		t.Errorf("got runs %+v, want three slices with more to do, and the last", b.ended)
	}
	for i := 1; i < len(b.ended); i++ {
		if b.ended[i].ID <= b.ended[i-1].ID {
			t.Errorf("run %d follows run %d: tokens must grow", b.ended[i].ID, b.ended[i-1].ID)
		}
	}
}

func TestATurnEndsAndLetsOthersHaveTheirPlace(t *testing.T) {
	b := newBench(t)
	b.world.Grow(1, 95)
	b.follow(plan.Channel{ID: 1})
	b.Policy.Turn = -1 // over after the first slice
	if more := b.work(1); !more {
		t.Error("got no more to do after one slice of four")
	}
	if c := b.channel(1); b.world.Slices(1) != 1 || c.State != plan.Active {
		t.Errorf("got %d slices, %+v, want one, and the channel active", b.world.Slices(1), c)
	}
}

// brokenMarks refuses to advance.
type brokenMarks struct {
	plan.Marks
	err error
}

func (m brokenMarks) Advance(context.Context, plan.Advance) error { return m.err }

func TestWhatIsReadAndNotMarkedIsReadAgain(t *testing.T) {
	b := newBench(t)
	b.world.Grow(1, 20)
	b.follow(plan.Channel{ID: 1})
	b.Marks = brokenMarks{b.world, &plan.Problem{Kind: plan.Failed, Reason: "STORE_UNREACHABLE", Message: "down"}}
	b.work(1)
	if r := b.ended[0]; len(b.ended) != 1 || r.Outcome != plan.OutFailed || r.Stage != "advance" || r.Reason != "STORE_UNREACHABLE" || r.New != 20 {
		t.Errorf("got %+v, want one FAILED run at advance that says what was read", b.ended)
	}
	if c := b.channel(1); c.Failures != 1 || c.State != plan.Active || !c.NextRunAt.Equal(now.Add(time.Second)) {
		t.Errorf("got %+v, want it tried again in a second", c)
	}
	b.Marks = b.world
	if b.work(1); !b.world.Complete(1) || b.channel(1).Failures != 0 {
		t.Errorf("got %v covered, %+v, want the slice read again", b.world.Mark(1).Covered, b.channel(1))
	}
}

func TestProblemsOfARun(t *testing.T) {
	for name, tc := range map[string]struct {
		problem plan.Problem
		outcome plan.Outcome
		state   plan.State
		reason  string
		pause   time.Duration
	}{
		"private":          {plan.Problem{Kind: plan.Barred, Reason: "CHANNEL_PRIVATE"}, plan.OutBarred, plan.Blocked, "CHANNEL_PRIVATE", 5 * time.Minute},
		"nobody logged in": {plan.Problem{Kind: plan.NoReader, Reason: "NO_ACCOUNT"}, plan.OutBarred, plan.Blocked, "NO_ACCOUNT", 5 * time.Second},
		"flood":            {plan.Problem{Kind: plan.Flooded, Reason: "FLOOD_WAIT", Retry: 70 * time.Second}, plan.Waiting, plan.Blocked, "FLOOD_WAIT", 70 * time.Second},
		"away":             {plan.Problem{Kind: plan.Failed, Reason: "PEER_UNREACHABLE"}, plan.OutFailed, plan.Active, "", time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.world.Grow(1, 20)
			b.follow(plan.Channel{ID: 1})
			b.Parser = brokenParse{b.world, &tc.problem}
			b.work(1)
			if r := b.ended[0]; len(b.ended) != 1 || r.Outcome != tc.outcome || r.Reason != tc.problem.Reason || r.Stage != "parse" {
				t.Errorf("got runs %+v, want one %s run", b.ended, tc.outcome)
			}
			if c := b.channel(1); c.State != tc.state || c.Reason != tc.reason || c.NextRunAt.Sub(now) != tc.pause {
				t.Errorf("got %+v, want %s for %q, looked at in %s", c, tc.state, tc.reason, tc.pause)
			}
			if check := b.world.Checked(1); tc.state == plan.Blocked && (check.State != plan.Blocked || check.Reason != tc.reason) {
				t.Errorf("the watermark heard %+v, want BLOCKED, %s", check, tc.reason)
			}
			if len(b.world.Mark(1).Covered) != 0 {
				t.Errorf("got %v covered, want nothing", b.world.Mark(1).Covered)
			}
		})
	}
}

// brokenParse probes well, and cannot read.
type brokenParse struct {
	plan.Parser
	problem *plan.Problem
}

func (p brokenParse) Parse(context.Context, plan.Slice) (plan.Read, error) {
	return plan.Read{}, p.problem
}

func TestAStaleRunEndsQuietlyAsLost(t *testing.T) {
	b := newBench(t)
	b.world.Grow(1, 20)
	b.follow(plan.Channel{ID: 1})
	if err := b.world.Advance(t.Context(), plan.Advance{Channel: 1, Run: 99, Covered: []plan.Range{{First: 1, Last: 2}}}); err != nil {
		t.Fatal(err)
	}
	b.work(1)
	if r := b.ended[0]; len(b.ended) != 1 || r.Outcome != plan.Lost || r.Reason != "STALE_RUN_TOKEN" {
		t.Errorf("got %+v, want one LOST run", b.ended)
	}
	if c := b.channel(1); c.State == plan.Blocked {
		t.Errorf("got %+v, want no word of it to users", c)
	}
}

func TestAnothersChannelIsLeftAlone(t *testing.T) {
	b := newBench(t)
	b.world.Grow(1, 20)
	b.follow(plan.Channel{ID: 1})
	if _, err := b.store.Claim(t.Context(), 1, "other", time.Hour); err != nil {
		t.Fatal(err)
	}
	if more := b.work(1); more || b.world.Slices(1) != 0 || len(b.ended) != 0 {
		t.Errorf("got more %v, %d slices, want nothing done", more, b.world.Slices(1))
	}
}

func TestTickSortsChannels(t *testing.T) {
	b := newBench(t)
	for id, top := range map[plan.ChannelID]int64{1: 0, 2: 20, 3: 20, 4: 20} {
		b.world.Grow(id, top)
		b.follow(plan.Channel{ID: id})
	}
	if err := b.world.Advance(t.Context(), plan.Advance{Channel: 3, Run: 1, Covered: []plan.Range{{First: 1, Last: 20}}, Floor: 1}); err != nil {
		t.Fatal(err)
	}
	b.world.Trouble(4, &plan.Problem{Kind: plan.Flooded, Reason: "FLOOD_WAIT", Retry: time.Hour})
	got, err := b.tick()
	if want := (plan.Ticked{Due: 4, Moved: 1, Unmoved: 2, Blocked: 1}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if queued := b.store.Queued(); len(queued) != 1 || queued[0] != 2 {
		t.Errorf("got %v queued, want the one that moved", queued)
	}
	for id, want := range map[plan.ChannelID]plan.State{1: plan.Idle, 2: plan.Active, 3: plan.Idle, 4: plan.Blocked} {
		if c := b.channel(id); c.State != want || !c.NextRunAt.After(now) || c.CheckedAt.IsZero() == (want != plan.Blocked) {
			t.Errorf("got %+v, want %s, later, checked unless blocked", c, want)
		}
	}
	if c := b.channel(4); !c.NextRunAt.Equal(now.Add(time.Hour)) || c.Reason != "FLOOD_WAIT" {
		t.Errorf("got %+v, want it left alone for as long as Telegram asks", c)
	}
	if check := b.world.Checked(3); check.State != plan.Idle || check.Top != 20 {
		t.Errorf("got %+v, want the heartbeat of an answer with nothing new", check)
	}
	if again, err := b.tick(); err != nil || again.Due != 0 {
		t.Errorf("got %+v, %v, want nothing due", again, err)
	}
}

func TestATickWithoutPeersMovesNothing(t *testing.T) {
	b := newBench(t)
	b.world.Grow(1, 20)
	b.follow(plan.Channel{ID: 1})
	before := b.channel(1)
	b.world.Down(errors.New("away"))
	if _, err := b.tick(); err == nil {
		t.Error("got no error")
	}
	if after := b.channel(1); !cmp.Equal(after, before) || len(b.store.Queued()) != 0 {
		t.Errorf("got %+v, want %+v", after, before)
	}
}
