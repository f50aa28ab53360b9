package truth

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
	rows := func() []Row {
		return []Row{
			{ID: 2, Posted: noon, Text: "a", Revision: 1},
			{ID: 3, Posted: noon, Edited: &later, Text: "b", Album: &album, Media: &photo, File: &file, Entities: []byte(`[{"kind":"text_url","offset":1,"length":2}]`), Revision: 2},
			{ID: 4, Posted: noon, Text: "gone", Deleted: &later, Revision: 1},
		}
	}
	for name, c := range map[string]struct {
		change             func(r *Row) // of the second one
		drop, add          bool
		missing, different []int64
	}{
		"nothing":                 {},
		"a missing one":           {drop: true, missing: []int64{3}},
		"one that Telegram lacks": {add: true, different: []int64{7}},
		"text":                    {change: func(r *Row) { r.Text = "c" }, different: []int64{3}},
		"date":                    {change: func(r *Row) { r.Posted = later }, different: []int64{3}},
		"no edit":                 {change: func(r *Row) { r.Edited = nil }, different: []int64{3}},
		"marked as deleted":       {change: func(r *Row) { r.Deleted = &later }, different: []int64{3}},
		"album":                   {change: func(r *Row) { r.Album = nil }, different: []int64{3}},
		"no media":                {change: func(r *Row) { r.Media = nil }, different: []int64{3}},
		"other media":             {change: func(r *Row) { other := "video"; r.Media = &other }, different: []int64{3}},
		"other file":              {change: func(r *Row) { r.File = nil }, different: []int64{3}},
		"no entities":             {change: func(r *Row) { r.Entities = nil }, different: []int64{3}},
		"another entity":          {change: func(r *Row) { r.Entities = []byte(`[{"kind":"text_url","offset":1,"length":3}]`) }, different: []int64{3}},
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
				have = append(have, Row{ID: 7, Posted: noon, Revision: 1})
			}
			got := Posts(truth(), have)
			if !slices.Equal(got.Missing, c.missing) || !slices.Equal(got.Different, c.different) {
				t.Errorf("got missing %v, different %v (%v); want %v, %v", got.Missing, got.Different, got.Why, c.missing, c.different)
			}
			if got.Expected != 2 || got.Present != 2-len(c.missing) {
				t.Errorf("got %d of %d", got.Present, got.Expected)
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
			got := Events(committed, Delivery{Sent: c.sent, Times: times, Came: c.came, Wiped: c.wipes})
			want := Outcome{Expected: 4, Present: 4 - len(c.missing) - len(c.wiped), Disorder: c.disorder, Missing: c.missing, Lost: c.wiped}
			if diff := cmp.Diff(got, want); diff != "" {
				t.Errorf("(-got +want):\n%s", diff)
			}
		})
	}
}

func TestARowStandsForItsEvents(t *testing.T) {
	t.Parallel()
	got := Due(7, Row{ID: 5, Revision: 3, Deleted: &noon})
	want := []string{"7/5/1/post.created", "7/5/2/post.edited", "7/5/3/post.edited", "7/5/3/post.deleted"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
