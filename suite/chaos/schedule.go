package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// fault is one thing that breaks, as the seed decided it.
type fault struct {
	kind  string
	who   int           // which of several processes, modulo their number
	step  int           // which of several steps, modulo their number
	skip  int           // how many matches of the step pass first
	last  time.Duration // how long it lasts, where it does
	heal  bool          // of a frozen link: it thaws; otherwise it is cut
	hurry bool          // the next fault comes at once
	by    time.Duration // of a clock: how far it steps
	pause time.Duration // before the next one
}

// dish is a kind of fault.
type dish struct {
	kind     string
	weight   int
	from, to time.Duration
}

// menu is every kind with its weight, and how long it lasts.
var menu = []dish{
	{kind: "kill", weight: 5},
	{kind: "kill in step", weight: 12},
	{kind: "kill postgres in step", weight: 3},
	{kind: "kill redis in step", weight: 2},
	{kind: "stop and go on", weight: 3, from: 500 * time.Millisecond, to: 14 * time.Second},
	{kind: "postgres fast restart", weight: 1},
	{kind: "postgres immediate restart", weight: 1},
	{kind: "postgres kill -9", weight: 2},
	{kind: "redis restart", weight: 1},
	{kind: "redis kill -9", weight: 1},
	{kind: "redis FLUSHALL", weight: 2},
	{kind: "connections cut", weight: 3},
	{kind: "half-open connections", weight: 3, from: time.Second, to: 8 * time.Second},
	{kind: "slow connections", weight: 1, from: time.Second, to: 5 * time.Second},
	{kind: "slow answers", weight: 1, from: 500 * time.Millisecond, to: 3 * time.Second},
	{kind: "telegram errors", weight: 1},
	{kind: "flood wait", weight: 2, from: 3 * time.Second, to: 30 * time.Second},
	{kind: "duplicate workers", weight: 2, from: 3 * time.Second, to: 10 * time.Second},
	{kind: "full disk", weight: 1, from: time.Second, to: 5 * time.Second},
	{kind: "restore", weight: 3},
	{kind: "clock step", from: time.Second, to: 6 * time.Second}, // two in every full run, beside the others
}

// must happen in every full run, whatever the dice say.
var must = []string{"restore", "restore", "full disk", "redis FLUSHALL", "kill", "postgres kill -9", "duplicate workers", "stop and go on", "half-open connections"}

// mustShort is the same of a short run.
var mustShort = []string{"restore", "kill", "kill in step", "redis FLUSHALL"}

// schedule is what breaks, in order: the same for a seed, always.
func schedule(seed uint64, n int, short bool, only string) []fault {
	r := rand.New(rand.NewPCG(seed, 3))
	kinds := slices.Clone(must)
	if short {
		kinds = slices.Clone(mustShort)
	}
	if only != "" {
		kinds = nil
	}
	kinds = kinds[:min(n, len(kinds))]
	for len(kinds) < n {
		kinds = append(kinds, draw(r, only))
	}
	r.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	faults := make([]fault, 0, n+1)
	for _, kind := range kinds {
		faults = append(faults, roll(r, kind))
	}
	if !short && only == "" { // a long one, while the last quarter of the others goes on
		long := fault{kind: "flood wait", last: logUniform(r, 60*time.Second, 90*time.Second), hurry: true}
		faults = slices.Insert(faults, len(faults)-len(faults)/4, long)
	}
	if !short && only == "" {
		faults = withClocks(seed, faults)
	}
	return faults
}

func draw(r *rand.Rand, only string) string {
	var from []string
	for _, m := range menu {
		weight := m.weight
		if only != "" {
			weight = max(weight, 1)
		}
		for range weight {
			if strings.Contains(m.kind, only) {
				from = append(from, m.kind)
			}
		}
	}
	return from[r.IntN(len(from))]
}

// withClocks puts two steps of the clock, one each way, among the first half of the faults.
func withClocks(seed uint64, faults []fault) []fault {
	r := rand.New(rand.NewPCG(seed, 5))
	for _, way := range []time.Duration{1, -1} {
		f := roll(r, "clock step")
		f.by = way * logUniform(r, 5*time.Second, time.Hour)
		faults = slices.Insert(faults, r.IntN(len(faults)/2), f)
	}
	return faults
}

func roll(r *rand.Rand, kind string) fault {
	f := fault{kind: kind, who: r.IntN(1 << 10), step: r.IntN(1 << 10), skip: r.IntN(4), heal: r.IntN(2) == 0, hurry: r.IntN(6) == 0,
		pause: time.Duration(r.IntN(1200)) * time.Millisecond}
	for _, m := range menu {
		if m.kind == kind && m.to > 0 {
			f.last = logUniform(r, m.from, m.to)
		}
	}
	return f
}

func logUniform(r *rand.Rand, from, to time.Duration) time.Duration {
	lo, hi := math.Log(float64(from)), math.Log(float64(to))
	return time.Duration(math.Exp(lo + r.Float64()*(hi-lo))).Round(time.Millisecond)
}
