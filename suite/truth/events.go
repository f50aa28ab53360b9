package truth

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	eventv1 "github.com/tidemark/tidemark/gen/tidemark/event/v1"
)

const selectEvents = `SELECT event FROM parser.events WHERE channel_id = $1 ORDER BY tx, id`

// Committed are the ids of a channel's events in the order of commit. An id comes again when rows were taken back by a restore and read again.
func Committed(ctx context.Context, db Database, channel int64) ([]string, error) {
	rows, err := db.Query(ctx, selectEvents, channel)
	if err != nil {
		return nil, fmt.Errorf("read the events of channel %d: %w", channel, err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		var event eventv1.Event
		encoded, err := pgx.RowTo[[]byte](row)
		if err == nil {
			err = proto.Unmarshal(encoded, &event)
		}
		return event.GetId(), err
	})
}

// Label is an event's id without the digest of its content.
func Label(id string) string {
	parts := strings.SplitN(id, "/", 5)
	return strings.Join(parts[:min(4, len(parts))], "/")
}

// Due are the labels of the events that must have been made for a post's row.
func Due(channel int64, r Row) (ids []string) {
	for revision := int32(1); revision <= r.Revision; revision++ {
		kind := "post.edited"
		if revision == 1 {
			kind = "post.created"
		}
		ids = append(ids, fmt.Sprintf("%d/%d/%d/%s", channel, r.ID, revision, kind))
	}
	if r.Deleted != nil {
		ids = append(ids, fmt.Sprintf("%d/%d/%d/post.deleted", channel, r.ID, r.Revision))
	}
	return ids
}

// Delivery is what became of a channel's events.
type Delivery struct {
	Sent  []string       // to Redis, each at its first time, in order
	Times map[string]int // how often each was sent
	Came  []string       // to a consumer, each at its first time, in order
	Wiped bool           // Redis was wiped in between
}

// Outcome is what comparing a channel's events came to.
type Outcome struct {
	Expected, Present, Disorder int
	Missing                     []string // never came, though never sent or never wiped
	Lost                        []string // sent, wiped before they could be read, and never sent again
}

// Events holds what was delivered against what was committed, in the order of commit. A repeat counts at its first time. What came late because its
// first sending was wiped is in order if it was sent in order.
func Events(committed []string, d Delivery) (o Outcome) {
	place := make(map[string]int, len(committed))
	order := make([]string, 0, len(committed))
	for _, id := range committed {
		if _, again := place[id]; !again {
			place[id] = len(place)
			order = append(order, id)
		}
	}
	seen := make(map[string]bool, len(d.Came))
	for _, id := range d.Came {
		seen[id] = true
	}
	for _, id := range order {
		switch o.Expected++; {
		case seen[id]:
			o.Present++
		case d.Wiped && d.Times[id] > 0:
			o.Lost = append(o.Lost, id)
		default:
			o.Missing = append(o.Missing, id)
		}
	}
	o.Disorder = disorder(place, d.Sent, nil) + disorder(place, d.Came, func(id string) bool { return d.Times[id] > 1 })
	return o
}

// disorder counts those that come behind one that was committed later.
func disorder(place map[string]int, ids []string, except func(string) bool) (n int) {
	last := -1
	for _, id := range ids {
		at, ok := place[id]
		if !ok {
			continue
		}
		if at < last && (except == nil || !except(id)) {
			n++
		}
		last = max(last, at)
	}
	return n
}
