package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tidemark/tidemark/services/parser/internal/ingest"
	"github.com/tidemark/tidemark/services/parser/internal/ingest/ingesttest"
)

const channel ingest.ChannelID = 42

// dense is a world of posts 1 to top.
func dense(top ingest.MessageID, pageSize int) *ingesttest.World {
	w := &ingesttest.World{Channel: channel, Messages: map[ingest.MessageID]ingesttest.Message{}, Top: top, PageSize: pageSize}
	for id := ingest.MessageID(1); id <= top; id++ {
		w.Messages[id] = ingesttest.Message{}
	}
	return w
}

func run(first, last ingest.MessageID) []ingest.Range {
	return []ingest.Range{{First: first, Last: last}}
}

func TestParse(t *testing.T) {
	t.Parallel()
	flood := &ingest.FloodError{Method: "messages.getHistory", Wait: time.Minute}
	down := fmt.Errorf("broken: %w", ingest.ErrUnreachable)
	for name, tc := range map[string]struct {
		request ingest.Request
		failAt  int // page that fails
		fail    error
		want    ingest.Result
		err     error
	}{
		"up to the end": {
			ingest.Request{Ranges: run(1, 25), MaxPages: 9}, 0, nil,
			ingest.Result{Covered: run(1, 25), Next: ingest.Done, New: 25, Messages: 25, Pages: 3, HeadAt: ingesttest.PostedAt(25), Floor: 1, Top: 25}, nil,
		},
		"down, bounded by pages": {
			ingest.Request{Dir: ingest.Down, Ranges: run(1, 30), MaxPages: 2}, 0, nil,
			ingest.Result{Covered: run(11, 30), Next: ingest.More, New: 20, Messages: 20, Pages: 2, HeadAt: ingesttest.PostedAt(30), Top: 30}, nil,
		},
		"down to the horizon": {
			ingest.Request{Dir: ingest.Down, Ranges: run(1, 30), MaxPages: 9, HorizonSince: ingesttest.PostedAt(15)}, 0, nil,
			ingest.Result{Covered: run(11, 30), Next: ingest.Done, New: 20, Messages: 20, Pages: 2, HeadAt: ingesttest.PostedAt(30), Floor: 11, Top: 30}, nil,
		},
		"ranges in the order given": {
			ingest.Request{Ranges: []ingest.Range{{First: 21, Last: 25}, {First: 3, Last: 5}}, MaxPages: 1}, 0, nil,
			ingest.Result{Covered: run(21, 25), Next: ingest.More, New: 5, Messages: 5, Pages: 1, HeadAt: ingesttest.PostedAt(25), Top: 25}, nil,
		},
		"neighbours are joined": {
			ingest.Request{Ranges: []ingest.Range{{First: 6, Last: 9}, {First: 3, Last: 5}}, MaxPages: 2}, 0, nil,
			ingest.Result{Covered: run(3, 9), Next: ingest.Done, New: 7, Messages: 7, Pages: 2, HeadAt: ingesttest.PostedAt(9), Top: 9}, nil,
		},
		"nothing to read": {ingest.Request{MaxPages: 1}, 0, nil, ingest.Result{Next: ingest.Done}, nil},
		"a flood after a page": {
			ingest.Request{Ranges: run(5, 30), MaxPages: 9}, 2, flood,
			ingest.Result{
				Covered: run(5, 14), Next: ingest.Wait, RetryAfter: time.Minute, WaitReason: "FLOOD_WAIT", New: 10, Messages: 10, Pages: 1,
				HeadAt: ingesttest.PostedAt(14), Top: 14,
			}, nil,
		},
		"a flood at once": {
			ingest.Request{Ranges: run(5, 30), MaxPages: 9}, 1, flood, ingest.Result{Next: ingest.Wait, RetryAfter: time.Minute, WaitReason: "FLOOD_WAIT"}, nil,
		},
		"trouble after a page": {
			ingest.Request{Ranges: run(5, 30), MaxPages: 9}, 2, down,
			ingest.Result{Covered: run(5, 14), Next: ingest.More, New: 10, Messages: 10, Pages: 1, HeadAt: ingesttest.PostedAt(14), Top: 14, Err: down}, nil,
		},
		"trouble at once": {ingest.Request{Ranges: run(5, 30), MaxPages: 9}, 1, down, ingest.Result{}, ingest.ErrUnreachable},
		"what is known to have been given out is gone": {
			ingest.Request{Ranges: run(29, 40), MaxPages: 9, KnownTop: 40}, 0, nil,
			ingest.Result{Covered: run(29, 40), Next: ingest.Done, New: 2, Messages: 2, Pages: 1, HeadAt: ingesttest.PostedAt(30), Top: 30}, nil,
		},
		"what was not given out is not proved": {ingest.Request{Ranges: run(40, 50), MaxPages: 9}, 0, nil, ingest.Result{}, ingest.ErrUnproved},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := dense(30, 10)
			w.Fail = func() error {
				if w.Asked == tc.failAt {
					return tc.fail
				}
				return nil
			}
			tc.request.Channel = channel
			got, err := ingest.New(w, ingesttest.NewMemory(), time.Now).Parse(t.Context(), tc.request)
			if !errors.Is(err, tc.err) {
				t.Fatalf("got error %v, want %v", err, tc.err)
			}
			if diff := cmp.Diff(got, tc.want, cmp.Comparer(func(a, b error) bool { return errors.Is(a, b) || errors.Is(b, a) })); diff != "" {
				t.Errorf("result (-got +want):\n%s", diff)
			}
		})
	}
}

// A message that cannot be read is left out of what its page covers, once, and not asked for again by the same call; all else is covered.
func TestParseLeavesOutWhatFailedOnce(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		dir   ingest.Direction
		bad   []ingest.MessageID
		first []ingest.Range
		floor ingest.MessageID // of the first call: the second reaches the bottom if that did not
	}{
		"in the middle, and at both sides of an edge": {
			ingest.Up, []ingest.MessageID{5, 10, 11}, []ingest.Range{{First: 1, Last: 4}, {First: 6, Last: 9}, {First: 12, Last: 30}}, 1,
		},
		"the ends of the channel": {ingest.Down, []ingest.MessageID{1, 30}, run(2, 29), 0},
		"a whole page":            {ingest.Down, []ingest.MessageID{21, 22, 23, 24, 25, 26, 27, 28, 29, 30}, run(1, 20), 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, store := dense(30, 10), ingesttest.NewMemory()
			for _, id := range tc.bad {
				w.Messages[id] = ingesttest.Message{Unreadable: true}
			}
			ingester := ingest.New(w, store, time.Now)
			parse := func(ranges ...ingest.Range) ingest.Result {
				t.Helper()
				got, err := ingester.Parse(t.Context(), ingest.Request{Channel: channel, Dir: tc.dir, Ranges: ranges, MaxPages: 99})
				if err != nil {
					t.Fatal(err)
				}
				return got
			}
			got := parse(ingest.Range{First: 1, Last: 30})
			if !slices.Equal(got.Covered, tc.first) || got.Next != ingest.More || got.Struck != len(tc.bad) || got.Quarantined != 0 || got.Floor != tc.floor || w.Asked != 3 {
				t.Errorf("first: got %+v after %d pages, want %v covered and more to do", got, w.Asked, tc.first)
			}
			got = parse(holes(got.Covered, 30)...)
			all := ingest.Normalize(append(got.Covered, tc.first...))
			if !slices.Equal(all, run(1, 30)) || got.Next != ingest.Done || got.Struck != 0 || got.Quarantined != len(tc.bad) || got.Floor != 1-tc.floor {
				t.Errorf("second: got %+v, want all covered", got)
			}
		})
	}
}

func TestParseAnswersOnlyWhatIsCommitted(t *testing.T) {
	t.Parallel()
	store, saves := ingesttest.NewMemory(), 0
	store.Fail = func() error {
		if saves++; saves == 3 {
			return ingest.ErrStoreDown
		}
		return nil
	}
	got, err := ingest.New(dense(90, 10), store, time.Now).Parse(t.Context(), ingest.Request{Channel: channel, Ranges: run(1, 90), MaxPages: 9})
	if err != nil || got.Next != ingest.More || !slices.Equal(got.Covered, run(1, 20)) || !errors.Is(got.Err, ingest.ErrStoreDown) {
		t.Errorf("got %+v, %v, want 1 to 20 and more to do", got, err)
	}
}

// slow is a source that takes its time.
type slow struct {
	*ingesttest.World
	per time.Duration
}

func (s slow) Page(ctx context.Context, c ingest.ChannelID, within ingest.Range, dir ingest.Direction) (ingest.Page, error) {
	select {
	case <-time.After(s.per):
		return s.World.Page(ctx, c, within, dir)
	case <-ctx.Done():
		return ingest.Page{}, ctx.Err()
	}
}

func TestParseEndsBeforeItsDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		start := time.Now()
		got, err := ingest.New(slow{dense(900, 10), 2 * time.Second}, ingesttest.NewMemory(), time.Now).
			Parse(ctx, ingest.Request{Channel: channel, Ranges: run(1, 900), MaxPages: 90})
		if err != nil || got.Next != ingest.More || !slices.Equal(got.Covered, run(1, 40)) || got.Err != nil {
			t.Errorf("got %+v, %v, want four pages and more to do", got, err)
		}
		if took := time.Since(start); took != 9*time.Second {
			t.Errorf("took %s, want a second left to answer", took)
		}
	})
}

func TestParseFetchesOneAhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // which ends a test that waits for ever
		w, store := dense(100, 10), ingesttest.NewMemory()
		asked, saves := make(chan int, 20), 0
		w.Fail = func() error { asked <- w.Asked; return nil }
		store.Fail = func() error { // while page n is committed, page n+1 is asked for
			for saves++; saves < 10 && <-asked != saves+1; {
			}
			return nil
		}
		got, err := ingest.New(w, store, time.Now).Parse(t.Context(), ingest.Request{Channel: channel, Ranges: run(1, 100), MaxPages: 10})
		if err != nil || got.Next != ingest.Done || got.Pages != 10 {
			t.Errorf("got %+v, %v, want all read", got, err)
		}
	})
}

// drawWorld is a channel with gaps, service messages and messages that nobody can read.
func drawWorld(t *rapid.T) *ingesttest.World {
	w := &ingesttest.World{Channel: channel, Messages: map[ingest.MessageID]ingesttest.Message{}, PageSize: rapid.IntRange(1, 7).Draw(t, "page size")}
	for i, kind := range rapid.SliceOfN(rapid.IntRange(0, 5), 1, 60).Draw(t, "messages") {
		w.Top = ingest.MessageID(i + 1)
		switch kind {
		case 0, 1: // a gap
		case 2:
			w.Messages[w.Top] = ingesttest.Message{Service: true}
		case 3:
			w.Messages[w.Top] = ingesttest.Message{Unreadable: true}
		default:
			w.Messages[w.Top] = ingesttest.Message{}
		}
	}
	return w
}

// TestParseProperty reads random worlds through random trouble: what is covered is stored, what is left is read in the end, and nothing is told twice.
func TestParseProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w, store := drawWorld(t), ingesttest.NewMemory()
		trouble := func(name string) func() error {
			script := rapid.SliceOfN(rapid.IntRange(0, 4), 0, 40).Draw(t, name)
			return func() error {
				if len(script) == 0 {
					return nil
				}
				next := script[0]
				script = script[1:]
				switch next {
				case 0:
					return &ingest.FloodError{Wait: time.Second}
				case 1:
					return ingest.ErrUnreachable
				}
				return nil
			}
		}
		w.Fail, store.Fail = trouble("source"), trouble("store")
		ingester := ingest.New(w, store, time.Now)
		dir := rapid.SampledFrom([]ingest.Direction{ingest.Up, ingest.Down}).Draw(t, "direction")
		todo := []ingest.Range{{First: 1, Last: w.Top}}
		var covered []ingest.Range
		for tries := 0; len(todo) > 0; tries++ {
			if tries > 300 {
				t.Fatalf("never ends: %v left", todo)
			}
			got, err := ingester.Parse(t.Context(), ingest.Request{
				Channel: channel, Dir: dir, Ranges: todo, MaxPages: rapid.IntRange(1, 5).Draw(t, "pages"),
			})
			if err != nil {
				if len(got.Covered) > 0 {
					t.Fatalf("an error with coverage: %v, %v", got.Covered, err)
				}
				continue
			}
			covered = ingest.Normalize(append(covered, got.Covered...))
			wantStored(t, w, store, covered)
			left := holes(covered, w.Top)
			if (got.Next == ingest.Done) != (len(left) == 0) {
				t.Fatalf("next is %v with %v left", got.Next, left)
			}
			todo = left
		}
		before := store.Events()
		w.Fail, store.Fail = nil, nil
		got, err := ingester.Parse(t.Context(), ingest.Request{Channel: channel, Dir: dir, Ranges: run(1, w.Top), MaxPages: 1000})
		if err != nil || got.New+got.Changed+got.Deleted > 0 || !slices.Equal(store.Events(), before) {
			t.Fatalf("reading again brought %+v, %v", got, err)
		}
		if unique := slices.Compact(slices.Sorted(slices.Values(before))); len(unique) != len(before) {
			t.Fatalf("an event was told twice: %v", before)
		}
	})
}

func wantStored(t *rapid.T, w *ingesttest.World, store *ingesttest.Memory, covered []ingest.Range) {
	for id, m := range w.Messages {
		if m.Service || m.Unreadable || !slices.ContainsFunc(covered, func(r ingest.Range) bool { return r.Contains(id) }) {
			continue
		}
		if found, _ := store.Posts(t.Context(), channel, []ingest.MessageID{id}, false); len(found) != 1 {
			t.Fatalf("post %d is covered, but not stored", id)
		}
	}
	for _, r := range covered {
		if r.First < 1 || r.Last > w.Top {
			t.Fatalf("%v is covered beyond what there is", r)
		}
	}
}

func holes(covered []ingest.Range, top ingest.MessageID) (left []ingest.Range) {
	next := ingest.MessageID(1)
	for _, r := range covered {
		if next < r.First {
			left = append(left, ingest.Range{First: next, Last: r.First - 1})
		}
		next = r.Last + 1
	}
	if next <= top {
		left = append(left, ingest.Range{First: next, Last: top})
	}
	return left
}

// scripted answers each page with what its script proves next.
type scripted struct {
	*ingesttest.World
	proves []ingest.Range
	asked  *[]ingest.Range
}

func (s scripted) Page(_ context.Context, _ ingest.ChannelID, within ingest.Range, _ ingest.Direction) (ingest.Page, error) {
	*s.asked = append(*s.asked, within)
	return ingest.Page{Covered: s.proves[len(*s.asked)-1]}, nil
}

func TestParseTrustsNoPageTooFar(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		dir    ingest.Direction
		proves []ingest.Range
		asked  []ingest.Range
		want   []ingest.Range
		next   ingest.Next
	}{
		"more than was asked": {
			ingest.Up, run(1, 99), run(10, 20), run(10, 20), ingest.Done,
		},
		"not from the first id on: what is left open is asked for at the end": {
			ingest.Up, []ingest.Range{{First: 12, Last: 15}, {First: 16, Last: 20}, {First: 10, Last: 11}},
			[]ingest.Range{{First: 10, Last: 20}, {First: 16, Last: 20}, {First: 10, Last: 11}}, run(10, 20), ingest.Done,
		},
		"downwards not from the last id on": {
			ingest.Down, []ingest.Range{{First: 14, Last: 18}, {First: 10, Last: 13}, {}},
			[]ingest.Range{{First: 10, Last: 20}, {First: 10, Last: 13}, {First: 19, Last: 20}}, run(10, 18), ingest.More,
		},
		"something else than was asked": {
			ingest.Up, []ingest.Range{{First: 10, Last: 12}, {First: 10, Last: 12}}, []ingest.Range{{First: 10, Last: 20}, {First: 13, Last: 20}}, run(10, 12), ingest.More,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked []ingest.Range
			got, err := ingest.New(scripted{dense(1, 1), tc.proves, &asked}, ingesttest.NewMemory(), time.Now).
				Parse(t.Context(), ingest.Request{Channel: channel, Dir: tc.dir, Ranges: run(10, 20), MaxPages: 9})
			if err != nil || !slices.Equal(asked, tc.asked) || !slices.Equal(got.Covered, tc.want) || got.Next != tc.next {
				t.Errorf("got %v covered, next %v, %v, asked %v; want %v, %v, asked %v", got.Covered, got.Next, err, asked, tc.want, tc.next, tc.asked)
			}
		})
	}
}
