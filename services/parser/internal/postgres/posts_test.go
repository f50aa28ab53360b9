package postgres_test

import (
	"testing"

	"github.com/tidemark/tidemark/kit/pg/pgtest"
	"github.com/tidemark/tidemark/services/parser/internal/ingest/ingesttest"
	"github.com/tidemark/tidemark/services/parser/internal/postgres"
)

func TestPosts(t *testing.T) {
	t.Parallel()
	ingesttest.TestStore(t, func(t *testing.T) ingesttest.Opened {
		pool := pgtest.New(t, postgres.Schema, postgres.Migrations())
		posts := postgres.NewPosts(pool, ingesttest.EncodeLabel, func() {})
		return ingesttest.Opened{Store: posts, Reader: posts, Quarantine: posts, Events: func() (ids []string) {
			rows, err := pool.Query(t.Context(), "SELECT convert_from(event, 'UTF8') FROM parser.events ORDER BY tx, id")
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			for rows.Next() {
				var id string
				if err := rows.Scan(&id); err != nil {
					t.Fatal(err)
				}
				ids = append(ids, id)
			}
			return ids
		}}
	})
}
