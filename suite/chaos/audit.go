package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// auditor looks for marks that are ahead of the data, again and again while everything breaks.
//
// It reads the marks first, then the posts, then the truth. What a mark covers was stored before, so it must be found after, unless it was deleted
// in Telegram, which the truth, read last, knows: so it never raises a false alarm. An id that was found once is not looked for again, unless
// rows are taken away by a fault, which holds the lock meanwhile.
type auditor struct {
	stage *stage

	sync.Mutex // held while the world is inconsistent on purpose
	found      map[int64][]span
	covered    map[int64][]span
	looks      int
	ahead      map[int64]map[int64]bool // ids by channel
	problems   []string
}

func newAuditor(s *stage) *auditor {
	return &auditor{stage: s, found: map[int64][]span{}, covered: map[int64][]span{}, ahead: map[int64]map[int64]bool{}}
}

// run looks every second until ctx ends.
func (a *auditor) run(ctx context.Context) {
	for wait(ctx, time.Second) {
		a.Lock()
		_ = a.look(ctx) // a store may be away: the next look sees more
		a.Unlock()
	}
}

// forget makes a channel's ids be looked for again.
func (a *auditor) forget(channel int64) { delete(a.found, channel) }

// whole looks at everything once more.
func (a *auditor) whole(ctx context.Context) error {
	a.Lock()
	defer a.Unlock()
	clear(a.found)
	return a.look(ctx)
}

func (a *auditor) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	marks, err := a.marks(ctx)
	if err != nil {
		return err
	}
	for channel, covered := range marks {
		if a.covered[channel] = covered; len(without(covered, a.found[channel])) == 0 {
			continue
		}
		missing, err := a.missing(ctx, channel, without(covered, a.found[channel]))
		if err != nil {
			return err
		}
		for _, id := range missing {
			a.blame(channel, id)
		}
		a.found[channel] = covered
	}
	a.looks++
	return nil
}

func (a *auditor) blame(channel, id int64) {
	if a.ahead[channel] == nil {
		a.ahead[channel] = map[int64]bool{}
	}
	if !a.ahead[channel][id] {
		a.ahead[channel][id] = true
		a.problems = append(a.problems, fmt.Sprintf("%d/%d", channel, id))
	}
}

func (a *auditor) marks(ctx context.Context) (map[int64][]span, error) {
	rows, err := a.stage.db.Query(ctx, "SELECT channel_id, covered::text FROM watermark.marks WHERE stage = 'parse'")
	if err != nil {
		return nil, err
	}
	marks := map[int64][]span{}
	var channel int64
	var covered string
	_, err = pgx.ForEachRow(rows, []any{&channel, &covered}, func() (err error) {
		marks[channel], err = parseSpans(covered)
		return err
	})
	return marks, err
}

// missing are the ids in news that Telegram has as posts, and nobody else.
func (a *auditor) missing(ctx context.Context, channel int64, news []span) (ids []int64, err error) {
	first, last := news[0].first, news[len(news)-1].last
	stored := map[int64]bool{}
	rows, err := a.stage.db.Query(ctx, `SELECT message_id FROM parser.posts WHERE channel_id = $1 AND message_id BETWEEN $2 AND $3
		UNION ALL SELECT message_id FROM parser.quarantine WHERE channel_id = $1 AND message_id BETWEEN $2 AND $3`, channel, first, last)
	if err != nil {
		return nil, err
	}
	var id int64
	if _, err := pgx.ForEachRow(rows, []any{&id}, func() error { stored[id] = true; return nil }); err != nil {
		return nil, err
	}
	truth, err := a.stage.telegram.posts(ctx, channel, first, last)
	if err != nil {
		return nil, err
	}
	for _, id := range truth {
		if !stored[id] && inside(id, news) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// complete are the channels whose mark covers everything up to an id.
func (a *auditor) complete(channel, last int64) bool {
	a.Lock()
	defer a.Unlock()
	return len(without([]span{{1, last}}, a.covered[channel])) == 0
}

func (a *auditor) count() (n int) {
	a.Lock()
	defer a.Unlock()
	for _, ids := range a.ahead {
		n += len(ids)
	}
	return n
}
