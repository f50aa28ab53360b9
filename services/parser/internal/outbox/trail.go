package outbox

import (
	"slices"

	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

// trail remembers which entry of the stream was which place in the outbox, one per batch, for those who have yet to acknowledge it.
type trail []step

type step struct {
	entry string
	place ingest.Place
}

// maxTrail bounds it: a group that lags further behind is known to be where it was last seen.
const maxTrail = 4096

func (t *trail) add(entry string, p ingest.Place) {
	if len(*t) == maxTrail {
		*t = slices.Delete(*t, 0, maxTrail/2)
	}
	*t = append(*t, step{entry, p})
}

// upTo is the last place that is not behind an entry, and forgets those before; false when none is known.
func (t *trail) upTo(entry string) (p ingest.Place, ok bool) {
	n := 0
	for n < len(*t) && !less(entry, (*t)[n].entry) {
		p, ok = (*t)[n].place, true
		n++
	}
	*t = slices.Delete(*t, 0, n)
	return p, ok
}
