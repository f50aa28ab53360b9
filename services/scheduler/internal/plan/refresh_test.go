package plan_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tidemark/tidemark/services/scheduler/internal/plan"
	"github.com/tidemark/tidemark/services/scheduler/internal/plan/plantest"
)

func TestAnEditIsLookedForOnceOnTheNewestPage(t *testing.T) {
	b := newBench(t)
	b.world.Grow(1, 250)
	b.follow(plan.Channel{ID: 1})
	b.work(1)
	if got := b.world.Reread(1); got != nil {
		t.Fatalf("the first read read %v again", got)
	}
	b.world.Edit(1, 0)
	b.work(1)
	if got := plantest.Merge(b.world.Reread(1)); !cmp.Equal(got, []plan.Range{{First: 151, Last: 250}}) {
		t.Errorf("after an edit %v was read again, want the newest 100", got)
	}
	b.work(1)
	if got := b.world.Reread(1); got != nil {
		t.Errorf("with nothing changed %v was read again", got)
	}
	if c := b.channel(1); c.State != plan.Idle || !b.world.Complete(1) {
		t.Errorf("got %+v, want an idle channel", c)
	}
}

func TestAnEditAmongNewsIsSeen(t *testing.T) {
	b := newBench(t)
	b.world.Grow(1, 20)
	b.follow(plan.Channel{ID: 1})
	b.work(1)
	b.world.Edit(1, 0)
	b.world.Grow(1, 25)
	b.work(1)
	if got := plantest.Merge(b.world.Reread(1)); !cmp.Equal(got, []plan.Range{{First: 1, Last: 20}}) {
		t.Errorf("%v was read again, want all that was there before the news", got)
	}
	b.world.Grow(1, 30)
	b.work(1)
	if got := b.world.Reread(1); got != nil {
		t.Errorf("news alone made %v be read again", got)
	}
}

func TestManyDeletionsMakeAllBeReadAgain(t *testing.T) {
	b := newBench(t)
	b.world.Grow(1, 500)
	b.follow(plan.Channel{ID: 1})
	b.work(1)
	b.world.Edit(1, 80)
	b.work(1)
	if got := plantest.Merge(b.world.Reread(1)); !cmp.Equal(got, []plan.Range{{First: 1, Last: 500}}) {
		t.Errorf("%v was read again, want everything", got)
	}
}

// Whatever comes in whatever order: a post is read again at each step of the lookback, once it has that age and before it has twice that, give
// or take how often the channel is looked at.
func TestEachPostIsReadAgainAtEachAge(t *testing.T) {
	t.Parallel()
	const interval = 5 * time.Minute
	ages := []time.Duration{time.Hour, 6 * time.Hour}
	rapid.Check(t, func(t *rapid.T) {
		clock, world := now, plantest.NewWorld()
		store := plantest.NewStore(func() time.Time { return clock })
		runner := plan.Runner{
			Store: store, Parser: world, Marks: world, Owner: "me", Now: func() time.Time { return clock }, Ended: func(plan.Run) {},
			Policy: plan.Policy{SlicePages: 3, RunTimeout: time.Minute, Turn: time.Minute, ClaimTTL: time.Hour, Lookback: ages},
		}
		if _, _, err := store.Add(t.Context(), plan.Channel{ID: 1, Interval: interval}, clock); err != nil {
			t.Fatal(err)
		}
		top := int64(100)
		world.Grow(1, top)
		seen := map[int64]time.Time{} // when each id was first read
		again := map[int64][]time.Duration{}
		for end := now.Add(30 * time.Hour); clock.Before(end); clock = clock.Add(interval) {
			if rapid.IntRange(0, 20).Draw(t, "news") == 0 && clock.Before(now.Add(15*time.Hour)) {
				top += rapid.Int64Range(1, 70).Draw(t, "ids")
				world.Grow(1, top)
			}
			if _, err := runner.Work(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			for id := int64(101); id <= top; id++ {
				if _, ok := seen[id]; !ok {
					seen[id] = clock
				}
			}
			for _, r := range world.Reread(1) {
				for id := max(r.First, 101); id <= r.Last; id++ {
					again[id] = append(again[id], clock.Sub(seen[id]))
				}
			}
		}
		for id, at := range again {
			if len(at) != len(ages) {
				t.Fatalf("message %d was read again at ages %v, want once per step of %v", id, at, ages)
			}
			for i, age := range ages {
				if at[i] < age || at[i] > 2*age+interval {
					t.Fatalf("message %d was read again at ages %v, want each from %v to twice that", id, at, ages)
				}
			}
		}
		if int64(len(again)) != top-100 {
			t.Fatalf("%d messages of %d were read again", len(again), top-100)
		}
	})
}

func TestAHistoryThatBeganAnewIsReadFromTheStart(t *testing.T) {
	b := newBench(t)
	b.world.Grow(1, 60)
	b.follow(plan.Channel{ID: 1})
	b.work(1)
	b.world.Restart(1, 12)
	b.work(1) // finds out
	b.work(1)
	m := b.world.Mark(1)
	if !cmp.Equal(m.Covered, []plan.Range{{First: 1, Last: 12}}) || m.Generation != 2 {
		t.Errorf("got the mark %+v, want the new history covered, in a second generation", m)
	}
	if got := plantest.Merge(b.world.Reread(1)); !cmp.Equal(got, []plan.Range{{First: 1, Last: 60}}) {
		t.Errorf("%v was read again, want all that the old history had", got)
	}
	if c := b.channel(1); c.State != plan.Idle || c.Failures != 0 {
		t.Errorf("got %+v, want an idle channel", c)
	}
}

func TestWhatCannotBeHadIsGivenUpAndHoldsUpNothing(t *testing.T) {
	b := newBench(t)
	b.world.Grow(1, 900)
	b.world.Silence(1, plan.Range{First: 300, Last: 620})
	b.follow(plan.Channel{ID: 1})
	looks := 0
	for ; looks < 30 && b.channel(1).State != plan.Idle; looks++ {
		b.work(1)
	}
	m := b.world.Mark(1)
	if b.channel(1).State != plan.Idle || m.Covered[len(m.Covered)-1] != (plan.Range{First: 621, Last: 900}) || m.Covered[0].First != 1 {
		t.Fatalf("after %d looks got %+v with %+v, want an idle channel that has what is on both sides", looks, b.channel(1), m)
	}
	if looks < 6 || looks > 12 || count(m.Unavailable) > 321+99 {
		t.Errorf("gave %v up after %d looks, want some patience, not too much, and little more given up than cannot be had", m.Unavailable, looks)
	}
	b.ended = nil
	b.world.Grow(1, 905)
	b.work(1)
	if len(b.ended) != 1 || b.ended[0].Outcome != plan.Done {
		t.Errorf("news came with the runs %+v, want one that is done", b.ended)
	}
}

func count(ranges []plan.Range) (n int64) {
	for _, r := range ranges {
		n += r.Last - r.First + 1
	}
	return n
}

func TestAskedForWhileItRuns(t *testing.T) {
	b := newBench(t)
	b.world.Grow(1, 90)
	b.follow(plan.Channel{ID: 1})
	b.work(1)
	if waits, err := b.store.Ask(t.Context(), 1, plan.Range{First: 5, Last: 50}, now); err != nil || waits != (plan.Range{First: 5, Last: 50}) {
		t.Fatal(waits, err)
	}
	release := b.world.Hold(1)
	done := make(chan error, 1)
	for len(b.world.Started()) > 0 {
		<-b.world.Started()
	}
	go func() { _, err := b.Work(t.Context(), 1); done <- err }()
	<-b.world.Started()
	if waits, err := b.store.Ask(t.Context(), 1, plan.Range{First: 40, Last: 80}, now); err != nil || waits != (plan.Range{First: 5, Last: 80}) {
		t.Fatal(waits, err)
	}
	release()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	b.world.Reread(1)
	b.work(1)
	if got := plantest.Merge(b.world.Reread(1)); !cmp.Equal(got, []plan.Range{{First: 5, Last: 80}}) {
		t.Errorf("%v was read again, want all that was asked for meanwhile", got)
	}
}
