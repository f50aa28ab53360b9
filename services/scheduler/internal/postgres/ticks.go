package postgres

import (
	"context"
	"time"

	"github.com/tidemark/tidemark/services/scheduler/internal/postgres/db"
)

// Ticked notes that a tick ended well.
func (s *Store) Ticked(ctx context.Context) error {
	return failed("note a tick", db.New(s.pool).SaveTick(ctx))
}

// LastTick is when a tick last ended well, of whichever scheduler, and how long ago that is; both by Postgres's clock.
func (s *Store) LastTick(ctx context.Context) (at time.Time, age time.Duration, err error) {
	row, err := db.New(s.pool).LastTick(ctx)
	return row.EndedAt.UTC(), time.Duration(row.AgeMs) * time.Millisecond, failed("read the last tick", err)
}

// Lateness is how many channels were not looked at for three of their intervals and a minute, and how long ago the longest neglected was. Paused and
// blocked ones do not count.
func (s *Store) Lateness(ctx context.Context, now time.Time) (late int, oldest time.Duration, err error) {
	row, err := db.New(s.pool).Lateness(ctx, now)
	return int(row.Late), time.Duration(row.OldestMs) * time.Millisecond, failed("look for neglected channels", err)
}
