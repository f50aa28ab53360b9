package ingest

import (
	"cmp"
	"math"
	"slices"
)

// LastID is the highest message id that Telegram can give out.
const LastID MessageID = math.MaxInt32

// Valid tells whether r is a run of ids that a channel can have.
func (r Range) Valid() bool { return r.First >= 1 && r.First <= r.Last && r.Last <= LastID }

// Contains tells whether id is in r.
func (r Range) Contains(id MessageID) bool { return r.First <= id && id <= r.Last }

// intersect is what both have; its First is above its Last when that is nothing.
func (r Range) intersect(o Range) Range { return Range{max(r.First, o.First), min(r.Last, o.Last)} }

// Normalize sorts ranges and joins those that touch.
func Normalize(ranges []Range) []Range {
	sorted := slices.SortedFunc(slices.Values(ranges), func(a, b Range) int { return cmp.Compare(a.First, b.First) })
	var joined []Range
	for _, r := range sorted {
		if n := len(joined); n > 0 && r.First <= joined[n-1].Last+1 {
			joined[n-1].Last = max(joined[n-1].Last, r.Last)
			continue
		}
		joined = append(joined, r)
	}
	return joined
}
