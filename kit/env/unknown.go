package env

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Unknown complains about every variable of environ ("NAME=value") that begins with prefix + "_" and is not known, all at once,
// each with the nearest known name. Values are never part of the complaint. What Kubernetes tells every pod about a service that is named
// as our prefix is left alone: nobody typed it.
func Unknown(prefix string, known, environ []string) error {
	links := regexp.MustCompile("^" + regexp.QuoteMeta(prefix) + `_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP)(_\w+)?)?)$`)
	var complaints []error
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, prefix+"_") || slices.Contains(known, name) || links.MatchString(name) {
			continue
		}
		hint := ""
		if near := Nearest(name, known); near != "" {
			hint = fmt.Sprintf(", did you mean %s?", near)
		}
		complaints = append(complaints, fmt.Errorf("unknown environment variable %s%s", name, hint))
	}
	return errors.Join(complaints...)
}

// Nearest is the known name within a third of the length in edits, one at least, or "".
func Nearest(name string, known []string) string {
	best, bestDistance := "", max(len(name)/3, 1)+1
	for _, k := range known {
		if d := distance(name, k); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	return best
}

// distance is Levenshtein's, in one row.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
