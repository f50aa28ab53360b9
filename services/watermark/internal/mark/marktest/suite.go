package marktest

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark/tidemark/services/watermark/internal/mark"
)

var (
	at      = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	sameSet = cmp.Comparer(func(a, b mark.Coverage) bool { return a.Equal(b) })
)

// TestStore proves any mark.Store; open gives a fresh, empty one.
func TestStore(t *testing.T, open func(*testing.T) mark.Store) {
	t.Parallel()
	for name, test := range map[string]func(*testing.T, mark.Store){
		"what is written is read":                                    testRoundTrip,
		"unknown marks are left out":                                 testUnknown,
		"what is unavailable is kept until it is covered or rewound": testUnavailable,
		"a stale run changes nothing":                                testStale,
		"steps of a batch stand alone":                               testBatch,
		"a batch may name a mark twice":                              testTwice,
		"crossed writers both land":                                  testCrossed,
		"a check moves no coverage":                                  testCheck,
		"a list is ordered, filtered, paged":                         testList,
		"a rewind needs the version it saw":                          testRewind,
		"repeating an advance keeps the etag":                        testRepeat,
		"only new ids are counted as added":                          testAdded,
		"a mark of 10,000 ranges advances":                           testWide,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

func key(channel mark.ChannelID) mark.Key { return mark.Key{Channel: channel, Stage: mark.Parse} }

func advance(t *testing.T, s mark.Store, steps ...mark.Step) []mark.Result {
	t.Helper()
	results, err := s.Advance(t.Context(), steps, at)
	if err != nil {
		t.Fatalf("advance: %v", err)
	}
	return results
}

func get(t *testing.T, s mark.Store, channel mark.ChannelID) mark.Mark {
	t.Helper()
	marks, err := s.Get(t.Context(), []mark.Key{key(channel)})
	if err != nil || len(marks) != 1 {
		t.Fatalf("get %d: %d marks, %v", channel, len(marks), err)
	}
	return marks[0]
}

func testRoundTrip(t *testing.T, s mark.Store) {
	step := mark.Step{Key: key(1), Covered: []mark.Range{{First: 5, Last: 9}, {First: 1, Last: 2}}, RunToken: 3, Floor: 1, Top: 12, HeadAt: at.Add(-time.Hour)}
	want := mark.Mark{Key: key(1), Coverage: mark.NewCoverage(step.Covered...), State: mark.Active, Floor: 1, Top: 12, HeadAt: step.HeadAt, AdvancedAt: at, RunToken: 3, Generation: 1, Version: 1}
	answered := advance(t, s, step)[0]
	if answered.Err != nil {
		t.Fatal(answered.Err)
	}
	for name, got := range map[string]mark.Mark{"answered": answered.Mark, "read": get(t, s, 1)} {
		if diff := cmp.Diff(got, want, sameSet); diff != "" {
			t.Errorf("%s (-got +want):\n%s", name, diff)
		}
	}
}

func testUnavailable(t *testing.T, s mark.Store) {
	advance(t, s, mark.Step{Key: key(1), Covered: []mark.Range{{First: 10, Last: 20}}, Unavailable: []mark.Range{{First: 3, Last: 12}}})
	if got := get(t, s, 1).Unavailable.Ranges(); !slices.Equal(got, []mark.Range{{First: 3, Last: 9}}) {
		t.Errorf("got %v unavailable, want what is not covered", got)
	}
	advance(t, s, mark.Step{Key: key(1), Covered: []mark.Range{{First: 5, Last: 5}}})
	m := get(t, s, 1)
	if got := m.Unavailable.Ranges(); !slices.Equal(got, []mark.Range{{First: 3, Last: 4}, {First: 6, Last: 9}}) {
		t.Errorf("got %v unavailable, want it without what got covered", got)
	}
	m, err := s.Rewind(t.Context(), mark.Rewind{Key: key(1), Ranges: []mark.Range{{First: 1, Last: 7}}, Reason: "try again", Version: m.Version}, at)
	if got := m.Unavailable.Ranges(); err != nil || !slices.Equal(got, []mark.Range{{First: 8, Last: 9}}) {
		t.Errorf("got %v unavailable, %v, want what was not rewound", got, err)
	}
}

func testUnknown(t *testing.T, s mark.Store) {
	advance(t, s, mark.Step{Key: key(2), Top: 1})
	marks, err := s.Get(t.Context(), []mark.Key{key(3), key(2), key(1)})
	if err != nil || len(marks) != 1 || marks[0].Channel != 2 {
		t.Errorf("got %v, %v, want channel 2 alone", marks, err)
	}
	versions, err := s.Versions(t.Context(), []mark.Key{key(3), key(2), key(1)})
	if diff := cmp.Diff(versions, map[mark.Key]int64{key(2): 1}); err != nil || diff != "" {
		t.Errorf("versions: %v (-got +want):\n%s", err, diff)
	}
}

func testStale(t *testing.T, s mark.Store) {
	advance(t, s, mark.Step{Key: key(1), Covered: []mark.Range{{First: 1, Last: 5}}, RunToken: 9})
	before := get(t, s, 1)
	if err := advance(t, s, mark.Step{Key: key(1), Covered: []mark.Range{{First: 6, Last: 7}}, RunToken: 8})[0].Err; !errors.Is(err, mark.ErrStaleRun) {
		t.Errorf("got %v, want %v", err, mark.ErrStaleRun)
	}
	if diff := cmp.Diff(get(t, s, 1), before, sameSet); diff != "" {
		t.Errorf("the refused step changed the mark (-got +want):\n%s", diff)
	}
}

func testBatch(t *testing.T, s mark.Store) {
	advance(t, s, mark.Step{Key: key(1), Top: 1, RunToken: 9})
	results := advance(t, s, mark.Step{Key: key(3), Top: 3}, mark.Step{Key: key(1), Top: 4, RunToken: 1}, mark.Step{Key: key(2), Top: 2})
	if results[0].Err != nil || !errors.Is(results[1].Err, mark.ErrStaleRun) || results[2].Err != nil {
		t.Errorf("got %v, want only the second refused", results)
	}
	if got := [3]int64{get(t, s, 1).Top, get(t, s, 2).Top, get(t, s, 3).Top}; got != [3]int64{1, 2, 3} {
		t.Errorf("got tops %v, want 1, 2, 3", got)
	}
}

func testTwice(t *testing.T, s mark.Store) {
	advance(t, s, mark.Step{Key: key(1), Covered: []mark.Range{{First: 1, Last: 1}}}, mark.Step{Key: key(1), Covered: []mark.Range{{First: 2, Last: 2}}})
	if got := get(t, s, 1).Coverage.Head(); got != 2 {
		t.Errorf("got head %d, want 2", got)
	}
}

func testCrossed(t *testing.T, s mark.Store) {
	var writers sync.WaitGroup
	for i := range int64(8) {
		writers.Go(func() {
			results, err := s.Advance(t.Context(), []mark.Step{
				{Key: key(mark.ChannelID(1 + i%2)), Covered: []mark.Range{{First: 2*i + 1, Last: 2*i + 1}}},
				{Key: key(mark.ChannelID(2 - i%2)), Covered: []mark.Range{{First: 2*i + 2, Last: 2*i + 2}}},
			}, at)
			if err != nil || errors.Join(results[0].Err, results[1].Err) != nil {
				t.Errorf("writer %d: %v, %v", i, results, err)
			}
		})
	}
	writers.Wait()
	both := get(t, s, 1).Coverage.Add(get(t, s, 2).Coverage.Ranges()...)
	if holes := both.Holes(1, 16); len(holes) != 0 {
		t.Errorf("got holes %v, want every writer's ids", holes)
	}
}

func testCheck(t *testing.T, s mark.Store) {
	advance(t, s, mark.Step{Key: key(1), Covered: []mark.Range{{First: 1, Last: 5}}})
	checks := []mark.Check{{Key: key(1), State: mark.Idle, Top: 5, At: at}, {Key: key(2), State: mark.Blocked, Reason: "CHANNEL_PRIVATE", At: at}}
	if err := s.Check(t.Context(), checks); err != nil {
		t.Fatal(err)
	}
	one, two := get(t, s, 1), get(t, s, 2)
	if one.State != mark.Idle || !one.CheckedAt.Equal(at) || one.Coverage.Head() != 5 {
		t.Errorf("got %+v, want idle, checked, head 5", one)
	}
	if two.State != mark.Blocked || two.Reason != "CHANNEL_PRIVATE" || two.Coverage.Head() != 0 || !two.CheckedAt.IsZero() || !two.AttemptedAt.Equal(at) {
		t.Errorf("got %+v, want blocked for its reason, attempted, without an answer, nothing covered", two)
	}
	if err := s.Check(t.Context(), []mark.Check{{Key: key(1), State: mark.Blocked, Reason: "FLOOD_WAIT", At: at.Add(time.Minute)}}); err != nil {
		t.Fatal(err)
	}
	if one = get(t, s, 1); one.State != mark.Blocked || !one.CheckedAt.Equal(at) || !one.AttemptedAt.Equal(at.Add(time.Minute)) {
		t.Errorf("got %+v, want the answer's time where it was, and the attempt's", one)
	}
}

func testList(t *testing.T, s mark.Store) {
	for _, k := range []mark.Key{{Channel: 2, Stage: mark.Parse}, {Channel: 1, Stage: "tag"}, {Channel: 1, Stage: mark.Parse}} {
		advance(t, s, mark.Step{Key: k, Top: 1})
	}
	if err := s.Check(t.Context(), []mark.Check{{Key: key(1), State: mark.Idle, At: at}, {Key: key(2), State: mark.Blocked, Reason: "X", At: at}}); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		filter mark.Filter
		after  mark.Key
		limit  int
		want   []mark.Key
	}{
		"all":            {mark.Filter{}, mark.Key{}, 9, []mark.Key{key(1), key(2), {Channel: 1, Stage: "tag"}}},
		"one page":       {mark.Filter{}, mark.Key{}, 1, []mark.Key{key(1)}},
		"the next page":  {mark.Filter{}, key(1), 9, []mark.Key{key(2), {Channel: 1, Stage: "tag"}}},
		"a stage":        {mark.Filter{Stage: "tag"}, mark.Key{}, 9, []mark.Key{{Channel: 1, Stage: "tag"}}},
		"a state":        {mark.Filter{State: mark.Blocked}, mark.Key{}, 9, []mark.Key{key(2)}},
		"long unchecked": {mark.Filter{CheckedBefore: at}, mark.Key{}, 9, []mark.Key{key(2), {Channel: 1, Stage: "tag"}}}, // being blocked is no answer
	} {
		page, err := s.List(t.Context(), tc.filter, tc.after, tc.limit)
		if err != nil {
			t.Fatal(err)
		}
		var got []mark.Key
		for _, m := range page {
			got = append(got, m.Key)
		}
		if diff := cmp.Diff(got, tc.want); diff != "" {
			t.Errorf("%s (-got +want):\n%s", name, diff)
		}
	}
}

func testRewind(t *testing.T, s mark.Store) {
	advance(t, s, mark.Step{Key: key(1), Covered: []mark.Range{{First: 1, Last: 10}}})
	rewind := mark.Rewind{Key: key(1), Ranges: []mark.Range{{First: 3, Last: 4}}, Reason: "test", Version: 7}
	if _, err := s.Rewind(t.Context(), rewind, at); !errors.Is(err, mark.ErrEtag) {
		t.Errorf("got %v, want %v", err, mark.ErrEtag)
	}
	rewind.Version = 1
	got, err := s.Rewind(t.Context(), rewind, at)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, get(t, s, 1), sameSet); diff != "" || got.Generation != 2 || got.Coverage.Contains(3) {
		t.Errorf("got %+v, want generation 2 without 3 (-got +read):\n%s", got, diff)
	}
	if _, err := s.Rewind(t.Context(), mark.Rewind{Key: key(9), All: true, Reason: "x", Version: 1}, at); !errors.Is(err, mark.ErrUnknown) {
		t.Errorf("got %v, want %v", err, mark.ErrUnknown)
	}
}

func testRepeat(t *testing.T, s mark.Store) {
	fine := at.Add(123_456_789 * time.Nanosecond) // finer than a table's microseconds
	step := mark.Step{Key: key(1), Covered: []mark.Range{{First: 1, Last: 10}}, RunToken: 1, Top: 10, HeadAt: fine}
	first, second := advance(t, s, step)[0].Mark, advance(t, s, step)[0].Mark
	for name, got := range map[string]mark.Mark{"repeated": second, "read": get(t, s, 1)} {
		if diff := cmp.Diff(got, first, sameSet); diff != "" {
			t.Errorf("%s (-got +answered first):\n%s", name, diff)
		}
	}
}

func testAdded(t *testing.T, s mark.Store) {
	advance(t, s, mark.Step{Key: key(1), Covered: []mark.Range{{First: 1, Last: 10}}, RunToken: 5})
	over := mark.Step{Key: key(1), Covered: []mark.Range{{First: 6, Last: 12}}, RunToken: 5}
	stale := mark.Step{Key: key(1), Covered: []mark.Range{{First: 50, Last: 60}}, RunToken: 4}
	var got []int64
	for _, r := range advance(t, s, over, over, stale) {
		got = append(got, r.Added)
	}
	if diff := cmp.Diff(got, []int64{2, 0, 0}); diff != "" {
		t.Errorf("(-got +want):\n%s", diff)
	}
}

// testWide covers every third id, then fills one gap.
func testWide(t *testing.T, s mark.Store) {
	const ranges = 10_000
	covered := make([]mark.Range, ranges)
	for i := range covered {
		covered[i] = mark.Range{First: int64(3*i + 1), Last: int64(3*i + 1)}
	}
	advance(t, s, mark.Step{Key: key(1), Covered: covered})
	advance(t, s, mark.Step{Key: key(1), Covered: []mark.Range{{First: 15_002, Last: 15_003}}})
	want := mark.NewCoverage(covered...).Add(mark.Range{First: 15_002, Last: 15_003})
	if got := get(t, s, 1).Coverage; !got.Equal(want) {
		t.Errorf("got %d ranges, want %d", len(got.Ranges()), len(want.Ranges()))
	}
}
