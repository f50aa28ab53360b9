package postgres_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark/tidemark/kit/pg/pgtest"
	"github.com/tidemark/tidemark/services/parser/internal/ingest"
	"github.com/tidemark/tidemark/services/parser/internal/ingest/ingesttest"
	"github.com/tidemark/tidemark/services/parser/internal/postgres"
)

// One message that cannot be stored, by the table or as an event, holds up none of the hundred beside it.
func TestAMessageThatCannotBeStoredIsPutAside(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t, postgres.Schema, postgres.Migrations())
	if _, err := pool.Exec(t.Context(), "ALTER TABLE parser.posts ADD CONSTRAINT decent CHECK (text <> 'indecent secret')"); err != nil {
		t.Fatal(err)
	}
	store := postgres.NewPosts(pool, func(e ingest.Event) ([]byte, error) {
		if e.Post != nil && e.Post.Text == "inexpressible" {
			return nil, errors.New("too large")
		}
		return ingesttest.EncodeLabel(e)
	}, func() {})
	page := func() ingest.Page {
		p := ingest.Page{Covered: ingest.Range{First: 1, Last: 100}}
		for id := ingest.MessageID(1); id <= 100; id++ {
			text := fmt.Sprint("message ", id)
			switch id {
			case 17, 93:
				text = "indecent secret"
			case 18:
				text = "inexpressible"
			}
			p.Posts = append(p.Posts, ingest.Post{Message: id, PostedAt: today, Text: text, Raw: []byte{byte(id)}})
		}
		return p
	}
	bad := []ingest.Range{{First: 17, Last: 18}, {First: 93, Last: 93}}
	for i, want := range []ingest.Saved{{New: 97, Struck: bad}, {Quarantined: 3}, {}} {
		saved, err := store.SavePage(t.Context(), 42, page(), today)
		saved.Struck = ingest.Normalize(saved.Struck)
		if diff := cmp.Diff(saved, want); err != nil || diff != "" {
			t.Fatalf("time %d: %v (-got +want):\n%s", i+1, err, diff)
		}
	}
	found, err := store.Quarantined(t.Context(), 42, ingest.Quarantined{}, 10, true)
	if err != nil || len(found) != 3 {
		t.Fatalf("got %+v, %v in quarantine, want three", found, err)
	}
	for i, q := range found {
		if want := []ingest.MessageID{17, 18, 93}[i]; q.Message != want || len(q.Raw) != 1 || q.Problem == "" || strings.Contains(q.Problem, "secret") {
			t.Errorf("got %+v, want message %d with its raw bytes, and a problem that quotes nothing", q, want)
		}
	}
	var events int
	if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM parser.events").Scan(&events); err != nil || events != 100 {
		t.Errorf("got %d events, %v, want 97 creations and 3 quarantines", events, err)
	}
}
