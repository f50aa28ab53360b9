package postgres

import (
	"context"

	"github.com/tidemark/tidemark/services/watermark/internal/postgres/db"
)

// Tally counts the marks of a stage that are in a state, and their ids.
type Tally struct {
	Stage, State                string
	Marks, Missing, Unavailable int64
}

// Tally counts all marks.
func (s *Store) Tally(ctx context.Context) (all []Tally, err error) {
	rows, err := db.New(s.pool).TallyMarks(ctx)
	for _, r := range rows {
		all = append(all, Tally(r))
	}
	return all, failed("count marks", err)
}
