package main

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark/tidemark/services/parser/tgsim/world"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestPostsAreCompared(t *testing.T) {
	t.Parallel()
	later, album, photo, file := noon.Add(time.Hour), int64(9), "photo", int64(5)
	truth := func() []world.Post {
		return []world.Post{
			{ID: 2, Date: noon, Text: "a"},
			{ID: 3, Date: noon, Edited: later, Text: "b", Grouped: album, Media: "messageMediaPhoto", File: file, Marks: []world.Mark{{Type: "messageEntityTextUrl", Offset: 1, Length: 2}}},
		}
	}
	rows := func() []row {
		return []row{
			{id: 2, posted: noon, text: "a", revision: 1},
			{id: 3, posted: noon, edited: &later, text: "b", album: &album, mediaKind: &photo, file: &file, entities: []byte(`[{"kind":"text_url","offset":1,"length":2}]`), revision: 2},
			{id: 4, posted: noon, text: "gone", deleted: &later, revision: 1},
		}
	}
	for name, c := range map[string]struct {
		change             func(r *row) // of the second one
		drop, add          bool
		missing, different []int64
	}{
		"nothing":                 {},
		"a missing one":           {drop: true, missing: []int64{3}},
		"one that Telegram lacks": {add: true, different: []int64{7}},
		"text":                    {change: func(r *row) { r.text = "c" }, different: []int64{3}},
		"date":                    {change: func(r *row) { r.posted = later }, different: []int64{3}},
		"no edit":                 {change: func(r *row) { r.edited = nil }, different: []int64{3}},
		"marked as deleted":       {change: func(r *row) { r.deleted = &later }, different: []int64{3}},
		"album":                   {change: func(r *row) { r.album = nil }, different: []int64{3}},
		"no media":                {change: func(r *row) { r.mediaKind = nil }, different: []int64{3}},
		"other media":             {change: func(r *row) { other := "video"; r.mediaKind = &other }, different: []int64{3}},
		"other file":              {change: func(r *row) { r.file = nil }, different: []int64{3}},
		"no entities":             {change: func(r *row) { r.entities = nil }, different: []int64{3}},
		"another entity":          {change: func(r *row) { r.entities = []byte(`[{"kind":"text_url","offset":1,"length":3}]`) }, different: []int64{3}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			have := rows()
			if c.change != nil {
				c.change(&have[1])
			}
			if c.drop {
				have = slices.Delete(have, 1, 2)
			}
			if c.add {
				have = append(have, row{id: 7, posted: noon, revision: 1})
			}
			got := comparePosts(truth(), have)
			if !slices.Equal(got.missing, c.missing) || !slices.Equal(got.different, c.different) {
				t.Errorf("got missing %v, different %v (%v); want %v, %v", got.missing, got.different, got.why, c.missing, c.different)
			}
			if got.expected != 2 || got.present != 2-len(c.missing) {
				t.Errorf("got %d of %d", got.present, got.expected)
			}
		})
	}
}

func TestEventsAreCompared(t *testing.T) {
	t.Parallel()
	committed := []string{"a", "b", "c", "a", "d"} // a came back with a restore
	all := []string{"a", "b", "c", "d"}
	for name, c := range map[string]struct {
		sent, came     []string
		twice          string // was sent twice
		wipes          bool
		missing, wiped []string
		disorder       int
	}{
		"in order":                        {sent: all, came: all},
		"one is missing":                  {sent: all, came: []string{"a", "c", "d"}, missing: []string{"b"}},
		"one is wiped":                    {sent: all, came: []string{"a", "c", "d"}, wipes: true, wiped: []string{"b"}},
		"one was never sent":              {sent: []string{"a", "c", "d"}, came: []string{"a", "c", "d"}, wipes: true, missing: []string{"b"}},
		"two are sent in the wrong order": {sent: []string{"a", "c", "b", "d"}, came: all, disorder: 1},
		"two come in the wrong order":     {sent: all, came: []string{"a", "c", "b", "d"}, disorder: 1},
		"one was wiped and sent again":    {sent: all, came: []string{"a", "c", "b", "d"}, twice: "b"},
		"the last comes first":            {sent: all, came: []string{"d", "a", "b", "c"}, disorder: 3},
		"one that nobody awaited":         {sent: all, came: []string{"a", "x", "b", "c", "d"}},
		"nothing":                         {missing: all},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			times := map[string]int{c.twice: 1}
			for _, id := range c.sent {
				times[id]++
			}
			got := compareEvents(committed, c.sent, c.came, times, c.wipes)
			slices.Sort(got.missing)
			want := outcome{expected: 4, present: 4 - len(c.missing) - len(c.wiped), disorder: c.disorder, missing: c.missing, wiped: c.wiped}
			if diff := cmp.Diff(got, want, cmp.AllowUnexported(outcome{})); diff != "" {
				t.Errorf("(-got +want):\n%s", diff)
			}
		})
	}
}

func TestARowStandsForItsEvents(t *testing.T) {
	t.Parallel()
	got := due(7, row{id: 5, revision: 3, deleted: &noon})
	want := []string{"7/5/1/post.created", "7/5/2/post.edited", "7/5/3/post.edited", "7/5/3/post.deleted"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestSpans(t *testing.T) {
	t.Parallel()
	got, err := parseSpans("{[1,11),[20,21)}")
	if want := []span{{1, 10}, {20, 20}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if got, err := parseSpans("{}"); err != nil || got != nil {
		t.Errorf("got %v, %v of nothing", got, err)
	}
	if _, err := parseSpans("{(1,x)}"); err == nil {
		t.Error("nonsense is read")
	}
	for _, c := range []struct{ a, b, want []span }{
		{[]span{{1, 10}}, nil, []span{{1, 10}}},
		{[]span{{1, 10}}, []span{{1, 10}}, nil},
		{[]span{{1, 10}}, []span{{3, 4}, {8, 20}}, []span{{1, 2}, {5, 7}}},
		{[]span{{5, 6}, {8, 9}}, []span{{1, 7}}, []span{{8, 9}}},
	} {
		if got := without(c.a, c.b); !slices.Equal(got, c.want) {
			t.Errorf("%v without %v: got %v, want %v", c.a, c.b, got, c.want)
		}
	}
	if !inside(10, got) || inside(11, got) || !inside(20, got) {
		t.Error("what is inside of ranges")
	}
	if got := ranges([]int64{5, 3, 4, 9, 9}); got != "3-5, 9" {
		t.Errorf("got %q", got)
	}
}

func TestAScheduleIsItsSeeds(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		one, two := schedule(seed, fullFaults, false, ""), schedule(seed, fullFaults, false, "")
		if !slices.Equal(one, two) {
			t.Fatalf("seed %d: two schedules", seed)
		}
		longest := time.Duration(0)
		kinds := map[string]int{}
		for _, f := range one {
			if kinds[f.kind]++; f.kind == "flood wait" {
				longest = max(longest, f.last)
			}
		}
		if len(one) < 30 || longest < time.Minute || longest > 90*time.Second {
			t.Errorf("seed %d: %d faults, the longest flood %s", seed, len(one), longest)
		}
		for _, kind := range must {
			if kinds[kind] == 0 {
				t.Errorf("seed %d: no %s", seed, kind)
			}
		}
		if slices.Equal(one, schedule(seed+1, fullFaults, false, "")) {
			t.Errorf("seeds %d and %d have one schedule", seed, seed+1)
		}
		total := 0
		for _, n := range sizes(seed, fullMessages) {
			total += n
		}
		if total < fullMessages*99/100 || total > fullMessages {
			t.Errorf("seed %d: %d messages", seed, total)
		}
	}
}

func TestEveryFaultIsOnTheMenu(t *testing.T) {
	t.Parallel()
	for _, kind := range slices.Concat(must, mustShort) {
		if !slices.ContainsFunc(menu, func(m dish) bool { return m.kind == kind }) {
			t.Errorf("%q is not", kind)
		}
	}
}
