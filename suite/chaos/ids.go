package main

import (
	"fmt"
	"slices"
	"strings"
)

// span is a run of ids, both ends inside.
type span struct{ first, last int64 }

// parseSpans reads an int8multirange as Postgres prints it: {[1,11),[20,21)}.
func parseSpans(text string) (all []span, err error) {
	text = strings.Trim(text, "{}")
	if text == "" {
		return nil, nil
	}
	for _, part := range strings.Split(text, "),") {
		var s span
		if _, err := fmt.Sscanf(strings.TrimSuffix(part, ")"), "[%d,%d", &s.first, &s.last); err != nil {
			return nil, fmt.Errorf("read the range %q: %w", part, err)
		}
		s.last--
		all = append(all, s)
	}
	return all, nil
}

// without is what of a is not in b; both are ascending and disjoint.
func without(a, b []span) (left []span) {
	for _, s := range a {
		for _, t := range b {
			if t.last < s.first || t.first > s.last {
				continue
			}
			if t.first > s.first {
				left = append(left, span{s.first, t.first - 1})
			}
			s.first = t.last + 1
		}
		if s.first <= s.last {
			left = append(left, s)
		}
	}
	return left
}

func inside(id int64, all []span) bool {
	_, found := slices.BinarySearchFunc(all, id, func(s span, id int64) int {
		switch {
		case s.last < id:
			return -1
		case s.first > id:
			return 1
		}
		return 0
	})
	return found
}

// ranges writes ids for people: 3-5, 9.
func ranges(ids []int64) string {
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	var parts []string
	for i := 0; i < len(ids); {
		j := i
		for j+1 < len(ids) && ids[j+1] == ids[j]+1 {
			j++
		}
		if i == j {
			parts = append(parts, fmt.Sprint(ids[i]))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", ids[i], ids[j]))
		}
		i = j + 1
	}
	if n := len(parts); n > 12 {
		parts = append(parts[:12], fmt.Sprintf("and %d more", n-12))
	}
	return strings.Join(parts, ", ")
}
