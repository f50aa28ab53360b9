package mark

import (
	"cmp"
	"slices"
)

// Range is a run of message ids, both ends inside.
type Range struct{ First, Last int64 }

// Len is how many ids it holds.
func (r Range) Len() int64 { return r.Last - r.First + 1 }

// Coverage is a set of ids as ranges: ascending, disjoint and not adjacent. The zero Coverage is empty. Values are never changed in place.
type Coverage struct{ ranges []Range }

// NewCoverage makes a set of any ranges, in any order, overlapping or not.
func NewCoverage(ranges ...Range) Coverage { return Coverage{normalize(slices.Clone(ranges))} }

// Ranges are the set's runs, ascending.
func (c Coverage) Ranges() []Range { return slices.Clone(c.ranges) }

// Add is the union of the set and some ranges.
func (c Coverage) Add(ranges ...Range) Coverage {
	return Coverage{normalize(slices.Concat(c.ranges, ranges))}
}

// Remove is the set without some ranges.
func (c Coverage) Remove(ranges ...Range) Coverage {
	var kept []Range
	gone := NewCoverage(ranges...)
	for _, r := range c.ranges {
		kept = append(kept, gone.Holes(r.First, r.Last)...)
	}
	return Coverage{kept}
}

// Holes are the runs from first to last that are not in the set, ascending.
func (c Coverage) Holes(first, last int64) (holes []Range) {
	for _, r := range c.ranges[c.search(first):] {
		if first > last || r.First > last {
			break
		}
		if r.First > first {
			holes = append(holes, Range{first, r.First - 1})
		}
		first = max(first, r.Last+1)
	}
	if first <= last {
		holes = append(holes, Range{first, last})
	}
	return holes
}

// Contains is true for an id in the set.
func (c Coverage) Contains(id int64) bool {
	i := c.search(id)
	return i < len(c.ranges) && c.ranges[i].First <= id
}

// Head is the highest id in the set, 0 when empty.
func (c Coverage) Head() int64 {
	if len(c.ranges) == 0 {
		return 0
	}
	return c.ranges[len(c.ranges)-1].Last
}

// Contiguous is the highest id up to which every id from floor on is in the set, 0 when floor itself is not.
func (c Coverage) Contiguous(floor int64) int64 {
	i := c.search(floor)
	if i == len(c.ranges) || c.ranges[i].First > floor {
		return 0
	}
	return c.ranges[i].Last
}

// Count is how many ids from first to last are in the set.
func (c Coverage) Count(first, last int64) (n int64) {
	if first > last {
		return 0
	}
	for _, r := range c.ranges[c.search(first):] {
		if r.First > last {
			break
		}
		n += min(r.Last, last) - max(r.First, first) + 1
	}
	return n
}

// Equal is true for the same set.
func (c Coverage) Equal(other Coverage) bool { return slices.Equal(c.ranges, other.ranges) }

// search is the index of the first range that ends at or after id.
func (c Coverage) search(id int64) int {
	i, _ := slices.BinarySearchFunc(c.ranges, id, func(r Range, id int64) int { return cmp.Compare(r.Last, id) })
	return i
}

// normalize sorts and merges in place.
func normalize(ranges []Range) []Range {
	slices.SortFunc(ranges, func(a, b Range) int { return cmp.Compare(a.First, b.First) })
	merged := ranges[:0]
	for _, r := range ranges {
		if last := len(merged) - 1; last >= 0 && r.First <= merged[last].Last+1 {
			merged[last].Last = max(merged[last].Last, r.Last)
			continue
		}
		merged = append(merged, r)
	}
	return merged
}
