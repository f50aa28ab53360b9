package outbox

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

// stream is the stream in Redis, and beside it a key that says how far it goes: the place of the last event added. Both are changed together or not
// at all, so when the key is not as we left it, Redis was wiped, or came back without what it was told last.
type stream struct {
	redis redis.UniversalClient
	name  string
}

// errLost: Redis does not have what we gave it.
var errLost = errors.New("the stream is not as we left it: Redis was wiped, or restarted without its last events")

// endKey is in the same hash slot as the stream.
func (s stream) endKey() string { return "{" + s.name + "}:end" }

// end is how far the stream goes; the zero Place when it is not there.
func (s stream) end(ctx context.Context) (ingest.Place, error) {
	return toPlace(s.redis.Get(ctx, s.endKey()).Result())
}

func toPlace(text string, err error) (p ingest.Place, _ error) {
	if errors.Is(err, redis.Nil) {
		return p, nil
	} else if err != nil {
		return p, fmt.Errorf("read how far the stream goes: %w", err)
	}
	tx, id, _ := strings.Cut(text, ":")
	p.Tx, _ = strconv.ParseUint(tx, 10, 64) // what is none of ours reads as nothing, and is replaced
	p.ID, _ = strconv.ParseInt(id, 10, 64)
	return p, nil
}

// add appends events if the stream still goes as far as end, and answers the id of the last entry. errLost.
func (s stream) add(ctx context.Context, end ingest.Place, events []ingest.Outgoing) (last string, err error) {
	err = s.redis.Watch(ctx, func(tx *redis.Tx) error {
		if is, err := toPlace(tx.Get(ctx, s.endKey()).Result()); err != nil || is != end {
			return errors.Join(err, errLost)
		}
		var added *redis.Cmd
		_, err := tx.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
			for i := range events {
				added = pipe.Do(ctx, s.entry(&events[i])...)
			}
			pipe.Set(ctx, s.endKey(), events[len(events)-1].Place.String(), 0)
			return nil
		})
		if err == nil {
			last, err = added.Text()
		}
		return err
	}, s.endKey())
	if errors.Is(err, redis.TxFailedErr) {
		err = errLost
	}
	return last, err
}

// entry is the command that adds an event.
func (s stream) entry(e *ingest.Outgoing) []any {
	fields := append(make([]any, 0, 15), "XADD", s.name, "*", "event", e.Bytes, "id", idOf(e.Bytes), "kind", string(e.Kind),
		"channel", strconv.FormatInt(int64(e.Channel), 10), "message", strconv.FormatInt(int64(e.Message), 10))
	if e.Traceparent != "" {
		fields = append(fields, "traceparent", e.Traceparent)
	}
	return fields
}

// acked is the id of an entry such that every consumer group has acknowledged it and all before; "" when there are no groups, or nothing is.
func (s stream) acked(ctx context.Context) (string, error) {
	groups, err := s.redis.XInfoGroups(ctx, s.name).Result()
	if err != nil {
		if strings.Contains(err.Error(), "no such key") {
			return "", nil
		}
		return "", fmt.Errorf("look at the consumer groups: %w", err)
	}
	var least string
	for i, g := range groups {
		at := g.LastDeliveredID
		if g.Pending > 0 {
			if at, err = s.beforePending(ctx, g.Name); err != nil {
				return "", err
			}
		}
		if i == 0 || less(at, least) {
			least = at
		}
	}
	return least, nil
}

// beforePending is the entry before the first that a group was given and has not acknowledged.
func (s stream) beforePending(ctx context.Context, group string) (string, error) {
	pending, err := s.redis.XPending(ctx, s.name, group).Result()
	if err != nil || pending.Count == 0 {
		return "", err
	}
	before, err := s.redis.XRevRangeN(ctx, s.name, "("+pending.Lower, "-", 1).Result()
	if err != nil || len(before) == 0 {
		return "", err
	}
	return before[0].ID, nil
}

// less compares ids of entries: milliseconds, then a number.
func less(a, b string) bool {
	aMillis, aNumber := split(a)
	bMillis, bNumber := split(b)
	return aMillis < bMillis || aMillis == bMillis && aNumber < bNumber
}

func split(id string) (millis, number uint64) {
	first, second, _ := strings.Cut(id, "-")
	millis, _ = strconv.ParseUint(first, 10, 64)
	number, _ = strconv.ParseUint(second, 10, 64)
	return millis, number
}
