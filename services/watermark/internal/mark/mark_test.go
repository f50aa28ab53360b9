package mark

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

var (
	now      = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	sameSet  = cmp.Comparer(func(a, b Coverage) bool { return a.Equal(b) })
	anyRange = rapid.Custom(func(t *rapid.T) Range {
		first := rapid.Int64Range(1, 200).Draw(t, "first")
		return Range{first, first + rapid.Int64Range(0, 30).Draw(t, "more")}
	})
	anyRanges = rapid.SliceOfN(anyRange, 0, 12)
	key       = Key{Channel: 7, Stage: Parse}
)

func TestCoverageIsASet(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := anyRanges.Draw(t, "a"), anyRanges.Draw(t, "b"), anyRanges.Draw(t, "c")
		x, y, z := NewCoverage(a...), NewCoverage(b...), NewCoverage(c...)
		for name, pair := range map[string][2]Coverage{
			"commutative": {x.Add(b...), y.Add(a...)},
			"associative": {x.Add(b...).Add(c...), x.Add(y.Add(z.Ranges()...).Ranges()...)},
			"idempotent":  {x.Add(a...), x},
			"removal":     {x.Add(b...).Remove(b...), x.Remove(b...)},
		} {
			if !pair[0].Equal(pair[1]) {
				t.Fatalf("%s: got %v and %v", name, pair[0], pair[1])
			}
		}
		checkAgainstModel(t, x, a)
	})
}

// checkAgainstModel compares every answer with the simplest model there is: a map of ids.
func checkAgainstModel(t *rapid.T, c Coverage, ranges []Range) {
	model := map[int64]bool{}
	for _, r := range ranges {
		for id := r.First; id <= r.Last; id++ {
			model[id] = true
		}
	}
	floor, end := rapid.Int64Range(1, 240).Draw(t, "floor"), rapid.Int64Range(1, 240).Draw(t, "end")
	missing := NewCoverage(c.Holes(floor, end)...)
	var count, head int64
	for id := int64(1); id <= 240; id++ {
		if c.Contains(id) != model[id] {
			t.Fatalf("%d: got contained %v, want %v", id, c.Contains(id), model[id])
		}
		within := floor <= id && id <= end
		if missing.Contains(id) != (within && !model[id]) {
			t.Fatalf("holes of [%d, %d] are %v with %d, which is covered: %v", floor, end, missing, id, model[id])
		}
		if model[id] {
			head = id
			if within {
				count++
			}
		}
	}
	var contiguous int64
	for id := floor; model[id]; id++ {
		contiguous = id
	}
	if got := [3]int64{c.Head(), c.Count(floor, end), c.Contiguous(floor)}; got != [3]int64{head, count, contiguous} {
		t.Fatalf("got head, count, contiguous %v, want %v", got, [3]int64{head, count, contiguous})
	}
	for i, r := range c.ranges[min(1, len(c.ranges)):] {
		if before := c.ranges[i]; r.First <= before.Last+1 {
			t.Fatalf("ranges %v and %v touch", before, r)
		}
	}
}

func TestAMarkNeverMovesBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var m Mark
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			s := Step{Key: key, Covered: anyRanges.Draw(t, "covered"), RunToken: rapid.Int64Range(0, 5).Draw(t, "token"),
				Floor: rapid.Int64Range(0, 3).Draw(t, "floor"), Top: rapid.Int64Range(0, 300).Draw(t, "top")}
			next, err := m.Advance(s, now)
			if err != nil {
				if !errors.Is(err, ErrStaleRun) || !cmp.Equal(next, m, sameSet) {
					t.Fatalf("refused with %v and %v, want ErrStaleRun and the mark as it was", err, next)
				}
				continue
			}
			if lost := m.Coverage.Remove(next.Coverage.Ranges()...); lost.Head() != 0 || next.Coverage.Head() < m.Coverage.Head() || next.Top < m.Top || next.RunToken < m.RunToken {
				t.Fatalf("moved back from %+v to %+v", m, next)
			}
			again, err := next.Advance(s, now.Add(time.Hour))
			if err != nil || !cmp.Equal(again, next, sameSet) {
				t.Fatalf("repeating %+v made %+v of %+v (%v)", s, again, next, err)
			}
			m = next
		}
		if m.Covered()+m.Missing() != m.Expected() || NewCoverage(m.Holes()...).Count(1, MaxID) != m.Missing() {
			t.Fatalf("covered %d and missing %d of %d with holes %v", m.Covered(), m.Missing(), m.Expected(), m.Holes())
		}
	})
}

func TestCrossedAdvancesEndAlike(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := Step{Key: key, Covered: anyRanges.Draw(t, "a"), Top: rapid.Int64Range(0, 9).Draw(t, "top")}
		b := Step{Key: key, Covered: anyRanges.Draw(t, "b"), Floor: rapid.Int64Range(0, 9).Draw(t, "floor")}
		if x, y := both(t, a, b), both(t, b, a); !cmp.Equal(x, y, sameSet, cmpopts.IgnoreFields(Mark{}, "Version")) {
			t.Fatalf("got %+v and %+v", x, y)
		}
	})
}

func both(t *rapid.T, steps ...Step) (m Mark) {
	for _, s := range steps {
		next, err := m.Advance(s, now)
		if err != nil {
			t.Fatal(err)
		}
		m = next
	}
	return m
}

func TestAdvance(t *testing.T) {
	t.Parallel()
	stored := Mark{Key: key, Coverage: NewCoverage(Range{1, 10}), State: Idle, Floor: 1, Top: 10, RunToken: 5, Generation: 2, Version: 9}
	for name, tc := range map[string]struct {
		step Step
		want error
	}{
		"newer run":              {Step{RunToken: 6, Generation: 2, Version: 9}, nil},
		"same run again":         {Step{RunToken: 5}, nil},
		"no run":                 {Step{}, nil},
		"older run":              {Step{RunToken: 4}, ErrStaleRun},
		"planned before rewind":  {Step{RunToken: 6, Generation: 1}, ErrStaleGeneration},
		"etag of another moment": {Step{Version: 8}, ErrEtag},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := stored.Advance(tc.step, now); !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	stored := Mark{Key: key, Coverage: NewCoverage(Range{1, 10}), State: Active, Top: 10, Generation: 1, Version: 9, CheckedAt: now, AttemptedAt: now}
	later := now.Add(time.Minute)
	for name, tc := range map[string]struct {
		check Check
		want  State
		moved bool
	}{
		"nothing new":               {Check{State: Idle, Top: 10, At: later}, Idle, true},
		"nothing new, yet a gap":    {Check{State: Idle, Top: 11, At: later}, Active, true},
		"could not ask":             {Check{State: Blocked, Reason: "FLOOD_WAIT", At: later}, Blocked, true},
		"older than the last one":   {Check{State: Idle, Top: 10, At: now.Add(-time.Minute)}, Active, false},
		"the same instant again":    {Check{State: Idle, Top: 10, At: now}, Active, false},
		"a top lower than is known": {Check{State: Idle, Top: 3, At: later}, Idle, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := stored.Check(tc.check)
			if got.State != tc.want || got.Version != stored.Version && !tc.moved || got.Top < stored.Top || !got.Coverage.Equal(stored.Coverage) {
				t.Errorf("got %+v, want state %s, moved %v", got, tc.want, tc.moved)
			}
		})
	}
}

func TestRewind(t *testing.T) {
	t.Parallel()
	stored := Mark{Key: key, Coverage: NewCoverage(Range{1, 10}), State: Idle, Floor: 1, Top: 10, RunToken: 5, Generation: 1, Version: 9}
	got, err := stored.Rewind(Rewind{Key: key, Ranges: []Range{{4, 6}}, Reason: "lost", Version: 9})
	if err != nil {
		t.Fatal(err)
	}
	want := []Range{{1, 3}, {7, 10}}
	if diff := cmp.Diff(want, got.Coverage.Ranges()); diff != "" || got.Generation != 2 || got.Version != 10 {
		t.Errorf("got %+v, want generation 2, version 10: %s", got, diff)
	}
	if _, err := got.Advance(Step{Key: key, RunToken: 6, Generation: 1, Covered: []Range{{4, 6}}}, now); !errors.Is(err, ErrStaleGeneration) {
		t.Errorf("a run from before the rewind: got %v, want %v", err, ErrStaleGeneration)
	}
	all, err := stored.Rewind(Rewind{Key: key, All: true, Reason: "all", Version: 9})
	if err != nil || all.Coverage.Head() != 0 || all.Floor != 0 {
		t.Errorf("got %+v, %v, want nothing covered and no floor", all, err)
	}
	if _, err := stored.Rewind(Rewind{Key: key, All: true, Reason: "blind", Version: 8}); !errors.Is(err, ErrEtag) {
		t.Errorf("got %v, want %v", err, ErrEtag)
	}
}

func BenchmarkAdvanceOfAWideMark(b *testing.B) {
	m := Mark{Key: key, Generation: 1, Version: 1, State: Active}
	for i := int64(0); i < 10_000; i++ {
		m.Coverage.ranges = append(m.Coverage.ranges, Range{3*i + 1, 3*i + 1})
	}
	for b.Loop() {
		if _, err := m.Advance(Step{Key: key, Covered: []Range{{15_001, 15_002}}}, now); err != nil {
			b.Fatal(err)
		}
	}
}

// Postgres keeps microseconds: a finer instant must not look newer than its own copy.
func TestRepeatingFinerInstantsChangesNothing(t *testing.T) {
	t.Parallel()
	fine := now.Add(123_456_789 * time.Nanosecond)
	step := Step{Key: key, Covered: []Range{{1, 5}}, HeadAt: fine}
	first, err := Mark{}.Advance(step, fine)
	if err != nil {
		t.Fatal(err)
	}
	checked := first.Check(Check{Key: key, State: Idle, Top: 5, At: fine})
	stored := checked
	kept := fine.Truncate(time.Microsecond)
	stored.HeadAt, stored.AdvancedAt, stored.CheckedAt, stored.AttemptedAt = kept, kept, kept, kept
	if diff := cmp.Diff(checked, stored, sameSet); diff != "" {
		t.Errorf("a mark holds what no table keeps (-got +want):\n%s", diff)
	}
	again, err := stored.Advance(step, fine.Add(time.Hour))
	if err != nil || again.Version != stored.Version {
		t.Errorf("got version %d, %v, want %d", again.Version, err, stored.Version)
	}
	if got := stored.Check(Check{Key: key, State: Active, Top: 5, At: fine}); got.Version != stored.Version {
		t.Errorf("the same check again: got version %d, want %d", got.Version, stored.Version)
	}
}

func TestIdleIsNeverSaidOfAMarkBelowItsTop(t *testing.T) {
	t.Parallel()
	for state, want := range map[State]State{Idle: Active, Active: Active, Blocked: Blocked} {
		stored := Mark{Key: key, Coverage: NewCoverage(Range{1, 10}), State: state, Top: 10, Generation: 1, Version: 9}
		got, err := stored.Advance(Step{Key: key, Top: 12}, now)
		if err != nil || got.State != want {
			t.Errorf("a higher top on a mark that is %s: got %s, %v, want %s", state, got.State, err, want)
		}
	}
}

func TestRewindForgetsWhatNoLongerHolds(t *testing.T) {
	t.Parallel()
	stored := Mark{Key: key, Coverage: NewCoverage(Range{3, 10}), State: Active, Floor: 3, Top: 10, HeadAt: now, Generation: 1, Version: 9}
	for name, tc := range map[string]struct {
		ranges []Range
		floor  int64
		headAt time.Time
	}{
		"the middle":        {[]Range{{4, 6}}, 3, now},
		"the head":          {[]Range{{9, 10}}, 3, time.Time{}},
		"all, by its range": {[]Range{{1, 99}}, 0, time.Time{}},
		"all":               {nil, 0, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := stored.Rewind(Rewind{Key: key, Ranges: tc.ranges, All: tc.ranges == nil, Reason: "x", Version: 9})
			if err != nil || got.Floor != tc.floor || !got.HeadAt.Equal(tc.headAt) {
				t.Errorf("got floor %d, head at %v, %v, want %d, %v", got.Floor, got.HeadAt, err, tc.floor, tc.headAt)
			}
		})
	}
	blocked := stored
	blocked.State, blocked.Reason = Blocked, "CHANNEL_PRIVATE"
	if got, err := blocked.Rewind(Rewind{Key: key, All: true, Reason: "x", Version: 9}); err != nil || got.State != Blocked || got.Reason == "" {
		t.Errorf("got %s %q, %v: nobody asked, so it is still blocked", got.State, got.Reason, err)
	}
}
