package plan

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var (
	created = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	barred  = &Problem{Kind: Barred, Reason: "CHANNEL_PRIVATE", Message: "private"}
)

func TestDecide(t *testing.T) {
	t.Parallel()
	month := 30 * 24 * time.Hour
	for name, tc := range map[string]struct {
		channel Channel
		mark    Mark
		probe   Probe
		want    Decision
	}{
		"first look":                          {Channel{}, Mark{}, Probe{Top: 9}, Decision{Mode: Historical, Ranges: []Range{{1, 9}}}},
		"first look at an empty channel":      {Channel{}, Mark{}, Probe{}, Decision{Mode: Skip, State: Idle}},
		"nothing new":                         {Channel{}, Mark{Covered: []Range{{1, 9}}}, Probe{Top: 9}, Decision{Mode: Skip, State: Idle}},
		"news":                                {Channel{}, Mark{Covered: []Range{{1, 9}}}, Probe{Top: 12}, Decision{Mode: Incremental, Ranges: []Range{{10, 12}}}},
		"news before old gaps":                {Channel{}, Mark{Covered: []Range{{1, 3}, {7, 9}}}, Probe{Top: 12}, Decision{Mode: Incremental, Ranges: []Range{{10, 12}}}},
		"news before history":                 {Channel{}, Mark{Covered: []Range{{7, 9}}}, Probe{Top: 12}, Decision{Mode: Incremental, Ranges: []Range{{10, 12}}}},
		"gaps, the newest first":              {Channel{}, Mark{Covered: []Range{{1, 2}, {4, 5}, {8, 9}}}, Probe{Top: 9}, Decision{Mode: CatchUp, Ranges: []Range{{6, 7}, {3, 3}}}},
		"history goes on":                     {Channel{}, Mark{Covered: []Range{{7, 9}}}, Probe{Top: 9}, Decision{Mode: Historical, Ranges: []Range{{1, 6}}}},
		"the bottom is known":                 {Channel{}, Mark{Covered: []Range{{7, 9}}, Floor: 7}, Probe{Top: 9}, Decision{Mode: Skip, State: Idle}},
		"a gap above the known bottom":        {Channel{}, Mark{Covered: []Range{{7, 9}}, Floor: 5}, Probe{Top: 9}, Decision{Mode: CatchUp, Ranges: []Range{{5, 6}}}},
		"a top that was deleted since":        {Channel{}, Mark{Covered: []Range{{1, 8}}, Top: 10}, Probe{Top: 8}, Decision{Mode: Incremental, Ranges: []Range{{9, 10}}}},
		"horizon in messages":                 {Channel{Horizon: Horizon{Messages: 4}}, Mark{}, Probe{Top: 9}, Decision{Mode: Historical, Ranges: []Range{{6, 9}}, Floor: 6}},
		"horizon beyond the beginning":        {Channel{Horizon: Horizon{Messages: 40}}, Mark{}, Probe{Top: 9}, Decision{Mode: Historical, Ranges: []Range{{1, 9}}}},
		"horizon in time":                     {Channel{Horizon: Horizon{Age: month}, CreatedAt: created}, Mark{}, Probe{Top: 9}, Decision{Mode: Historical, Ranges: []Range{{1, 9}}, HorizonSince: created.Add(-month)}},
		"horizon in time is none of news":     {Channel{Horizon: Horizon{Age: month}, CreatedAt: created}, Mark{Covered: []Range{{5, 9}}}, Probe{Top: 10}, Decision{Mode: Incremental, Ranges: []Range{{10, 10}}}},
		"what cannot be had is not asked for": {Channel{}, Mark{Covered: []Range{{1, 2}, {6, 9}}, Unavailable: []Range{{4, 5}}}, Probe{Top: 9}, Decision{Mode: CatchUp, Ranges: []Range{{3, 3}}}},
		"history around what cannot be had":   {Channel{}, Mark{Covered: []Range{{8, 9}}, Unavailable: []Range{{1, 2}, {5, 5}}}, Probe{Top: 9}, Decision{Mode: Historical, Ranges: []Range{{6, 7}, {3, 4}}}},
		"all that is left cannot be had":      {Channel{}, Mark{Covered: []Range{{5, 9}}, Unavailable: []Range{{1, 4}}}, Probe{Top: 9}, Decision{Mode: Skip, State: Idle}},
		"a lookback that is due":              {Channel{Rereads: []Reread{{Rung: 1, After: 3, Target: 8, Due: created}}}, Mark{Covered: []Range{{1, 9}}}, Probe{Top: 9}, Decision{Mode: Refresh, Ranges: []Range{{4, 8}}, Rung: 1}},
		"a lookback that is not due":          {Channel{Rereads: []Reread{{Rung: 1, After: 3, Target: 8, Due: created.Add(1)}}}, Mark{Covered: []Range{{1, 9}}}, Probe{Top: 9}, Decision{Mode: Skip, State: Idle}},
		"what was asked for comes first":      {Channel{Rereads: []Reread{{Rung: 1, Target: 8, Due: created}, {Target: 2, Due: created}}}, Mark{Covered: []Range{{1, 9}}}, Probe{Top: 9}, Decision{Mode: Refresh, Ranges: []Range{{1, 2}}}},
		"news before a lookback":              {Channel{Rereads: []Reread{{Rung: 1, Target: 8, Due: created}}}, Mark{Covered: []Range{{1, 9}}}, Probe{Top: 10}, Decision{Mode: Incremental, Ranges: []Range{{10, 10}}}},
		"a lookback before history":           {Channel{Rereads: []Reread{{Rung: 1, After: 5, Target: 8, Due: created}}}, Mark{Covered: []Range{{5, 9}}}, Probe{Top: 9}, Decision{Mode: Refresh, Ranges: []Range{{6, 8}}, Rung: 1}},
		"paused":                              {Channel{State: Paused}, Mark{}, Probe{Top: 9}, Decision{Mode: Skip, State: Paused}},
		"could not be asked":                  {Channel{}, Mark{}, Probe{Err: barred}, Decision{Mode: Skip, State: Blocked, Reason: "CHANNEL_PRIVATE"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(Decide(tc.channel, tc.mark, tc.probe, created), tc.want); diff != "" {
				t.Errorf("(-got +want):\n%s", diff)
			}
		})
	}
}

// However slices end early, deciding again and again covers everything from the bottom to the top, names nothing twice, and then is idle.
func TestDecidingEndsInFullCoverage(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := Channel{Horizon: Horizon{Messages: rapid.SampledFrom([]int64{0, 0, 5, 30}).Draw(t, "horizon")}}
		top := rapid.Int64Range(0, 60).Draw(t, "top")
		m := Mark{Covered: merge(drawRanges(t, top))}
		lowest := int64(1)
		for range 500 {
			if rapid.IntRange(0, 9).Draw(t, "news") == 0 {
				top += rapid.Int64Range(0, 5).Draw(t, "more")
			}
			d := Decide(c, m, Probe{Top: top}, created)
			if d.Floor > 0 {
				m.Floor, lowest = d.Floor, d.Floor
			}
			if d.Mode == Skip {
				if missing := holes(m.Covered, lowest, top); d.State != Idle || len(missing) > 0 && c.Horizon.Messages == 0 {
					t.Fatalf("stopped as %s with %v missing of %d-%d in %+v", d.State, missing, lowest, top, m)
				}
				return
			}
			m.Covered = merge(append(m.Covered, coverSome(t, d, m)...))
			m.Top = max(m.Top, top)
		}
		t.Fatal("no end after 500 slices")
	})
}

// coverSome is what a slice may prove: a part of each range, from the end that the mode reads from; of the first range at least one id.
func coverSome(t *rapid.T, d Decision, m Mark) (covered []Range) {
	for i, r := range d.Ranges {
		if r.First < 1 || r.Last < r.First || overlaps(m.Covered, r) {
			t.Fatalf("%s names %v of %v", d.Mode, r, m.Covered)
		}
		n := rapid.Int64Range(0, r.Last-r.First+1).Draw(t, "ids")
		if i == 0 {
			n = max(n, 1)
		}
		switch {
		case n == 0:
			return covered
		case d.Mode == Historical:
			covered = append(covered, Range{r.Last - n + 1, r.Last})
		default:
			covered = append(covered, Range{r.First, r.First + n - 1})
		}
	}
	return covered
}

func drawRanges(t *rapid.T, top int64) (ranges []Range) {
	if top == 0 {
		return nil
	}
	for range rapid.IntRange(0, 4).Draw(t, "ranges") {
		first := rapid.Int64Range(1, top).Draw(t, "first")
		ranges = append(ranges, Range{first, rapid.Int64Range(first, top).Draw(t, "last")})
	}
	return ranges
}

func merge(ranges []Range) (merged []Range) {
	slices.SortFunc(ranges, func(a, b Range) int { return int(a.First - b.First) })
	for _, r := range ranges {
		if n := len(merged) - 1; n >= 0 && r.First <= merged[n].Last+1 {
			merged[n].Last = max(merged[n].Last, r.Last)
			continue
		}
		merged = append(merged, r)
	}
	return merged
}

func overlaps(covered []Range, r Range) bool {
	return slices.ContainsFunc(covered, func(c Range) bool { return c.First <= r.Last && r.First <= c.Last })
}

func holes(covered []Range, first, last int64) (missing []Range) {
	for _, c := range covered {
		if c.First > first {
			missing = append(missing, Range{first, min(c.First-1, last)})
		}
		first = max(first, c.Last+1)
	}
	if first <= last {
		missing = append(missing, Range{first, last})
	}
	return missing
}

func TestPausesAfterProblems(t *testing.T) {
	t.Parallel()
	now := created
	c := Channel{Interval: 5 * time.Minute}
	for name, tc := range map[string]struct {
		failures int
		problem  *Problem
		want     time.Duration
	}{
		"a first failure of ours":   {0, &Problem{Kind: Failed}, time.Second},
		"the fifth":                 {4, &Problem{Kind: Failed}, 16 * time.Second},
		"the hundredth":             {99, &Problem{Kind: Failed}, 5 * time.Minute},
		"no account":                {99, &Problem{Kind: NoReader}, 5 * time.Second},
		"private, first":            {0, barred, 5 * time.Minute},
		"private, fourth":           {3, barred, 40 * time.Minute},
		"private, for ever":         {99, barred, 6 * time.Hour},
		"a flood":                   {99, &Problem{Kind: Flooded, Retry: 70 * time.Second}, 70 * time.Second},
		"a flood that says nothing": {0, &Problem{Kind: Flooded}, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := c
			c.Failures = tc.failures
			if got := c.after(tc.problem, now).Sub(now); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestRegularLooksSpread(t *testing.T) {
	t.Parallel()
	seen := map[time.Duration]bool{}
	for id := range ChannelID(50) {
		d := Channel{ID: id + 1, Interval: 5 * time.Minute}.regular(created).Sub(created)
		if d < 270*time.Second || d > 330*time.Second {
			t.Errorf("channel %d: got %s, want 5m ± 10 %%", id+1, d)
		}
		seen[d.Round(time.Second)] = true
	}
	if len(seen) < 20 {
		t.Errorf("50 channels come due at %d different seconds, want them spread", len(seen))
	}
}

func TestProblemOf(t *testing.T) {
	t.Parallel()
	if got := problemOf(errors.Join(errors.New("while probing"), barred)); got != barred {
		t.Errorf("got %v, want the problem inside", got)
	}
	if got := problemOf(errors.New("boom")); got.Kind != Failed || got.Reason != "INTERNAL" {
		t.Errorf("got %+v, want a failure of ours", got)
	}
}
