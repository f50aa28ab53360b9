package main

import (
	"slices"
	"testing"
	"time"
)

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
