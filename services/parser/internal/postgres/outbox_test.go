package postgres_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidemark/tidemark/kit/pg/pgtest"
	"github.com/tidemark/tidemark/services/parser/internal/ingest"
	"github.com/tidemark/tidemark/services/parser/internal/ingest/ingesttest"
	"github.com/tidemark/tidemark/services/parser/internal/postgres"
)

var today = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func saveOn(t *testing.T, pool *pgxpool.Pool, now time.Time, message ingest.MessageID) {
	t.Helper()
	page := ingest.Page{Posts: []ingest.Post{{Message: message, PostedAt: now, Text: "x"}}, Covered: ingest.Range{First: message, Last: message}}
	if _, err := postgres.NewPosts(pool, ingesttest.EncodeLabel, func() {}).SavePage(t.Context(), 42, page, now); err != nil {
		t.Fatal(err)
	}
}

// next marks what was sent and reads n events. They can be a moment late: other tests have transactions under way on the same server.
func next(t *testing.T, lead ingest.Lead, sent int64, n int) (ids []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for first := true; first || len(ids) < n; first = false {
		events, err := lead.Next(ctx, sent, 100)
		if err != nil {
			t.Fatalf("got %q, then %v", ids, err)
		}
		for _, e := range events {
			ids = append(ids, string(e.Bytes))
		}
	}
	return ids
}

// lead waits for a lead that was just closed: Postgres frees the lock when it notices.
func lead(t *testing.T, o *postgres.Outbox) ingest.Lead {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		l, leads, err := o.Lead(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if leads {
			t.Cleanup(l.Close)
			return l
		}
	}
}

func TestDaysOfEventsComeAndGo(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t, postgres.Schema, postgres.Migrations())
	o := postgres.NewOutbox(pool)
	saveOn(t, pool, today, 1) // before there are any days
	keep := func(now time.Time) {
		t.Helper()
		if err := o.KeepDays(t.Context(), now, 48*time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	count := func(from string) (n int) {
		t.Helper()
		if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM "+from).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	keep(today)
	keep(today)
	if got := count("parser.events_20260301"); got != 1 {
		t.Errorf("got %d events of the first day, want the one that was there before", got)
	}
	saveOn(t, pool, today.Add(24*time.Hour), 2)
	keep(today.Add(30 * 24 * time.Hour))
	if got := count("parser.events"); got != 2 {
		t.Errorf("got %d events, want both: they are not published", got)
	}
	l := lead(t, o)
	next(t, l, 0, 2)
	next(t, l, 2, 0)
	keep(today.Add(30 * 24 * time.Hour))
	if got := count("parser.events"); got != 0 {
		t.Errorf("got %d events, want none: all are old and published", got)
	}
	if got := count("parser.events_default"); got != 0 {
		t.Errorf("got %d events outside of all days", got)
	}
}

func TestOutboxOfARestoredDatabase(t *testing.T) {
	t.Parallel()
	const later = "SET tx = (tx::text::bigint + 1000000000000)::text::xid8"
	for name, moved := range map[string][]string{
		"from a cluster that had seen many more transactions":            {"UPDATE parser.events " + later, "UPDATE parser.relay " + later},
		"from one where what was not sent had higher numbers than we do": {"UPDATE parser.events " + later + " WHERE (tx, id) > (SELECT tx, id FROM parser.relay)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := pgtest.New(t, postgres.Schema, postgres.Migrations())
			o := postgres.NewOutbox(pool)
			for id := range ingest.MessageID(4) {
				saveOn(t, pool, today, id+1)
			}
			l := lead(t, o)
			next(t, l, 0, 4)
			next(t, l, 2, 0)
			l.Close()
			for _, sql := range moved {
				if _, err := pool.Exec(t.Context(), sql); err != nil {
					t.Fatal(err)
				}
			}
			saveOn(t, pool, today, 9)
			want := []string{"42/3/1/post.created", "42/4/1/post.created", "42/9/1/post.created"}
			if got := next(t, lead(t, o), 0, 3); !slices.Equal(got, want) {
				t.Errorf("got %q, want what was not sent, then what is new: %q", got, want)
			}
		})
	}
}

func TestOnlyOneLeads(t *testing.T) {
	t.Parallel()
	o := postgres.NewOutbox(pgtest.New(t, postgres.Schema, postgres.Migrations()))
	first := lead(t, o)
	if l, leads, err := o.Lead(t.Context()); err != nil || leads {
		t.Errorf("got a second lead %v, %v", l, err)
	}
	first.Close()
	lead(t, o)
}

func TestRevisionsAndQuarantine(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t, postgres.Schema, postgres.Migrations())
	store := postgres.NewPosts(pool, ingesttest.EncodeLabel, func() {})
	save := func(p ingest.Page) {
		t.Helper()
		p.Covered = ingest.Range{First: 1, Last: 1}
		if _, err := store.SavePage(t.Context(), 42, p, today); err != nil {
			t.Fatal(err)
		}
	}
	row := func(sql string, into ...any) {
		t.Helper()
		if err := pool.QueryRow(t.Context(), sql).Scan(into...); err != nil {
			t.Fatal(err)
		}
	}
	unreadable := ingest.Page{Unreadable: []ingest.Unreadable{{Message: 1, Raw: []byte{7}, Problem: "odd"}, {Message: 1, Problem: "twice"}}}
	save(unreadable)
	save(unreadable)
	var failures int
	var problem string
	if row("SELECT failures, problem FROM parser.quarantine", &failures, &problem); failures != 2 || problem != "odd" {
		t.Errorf("got %d failures, problem %q, want 2, odd", failures, problem)
	}
	for _, text := range []string{"a", "b"} {
		save(ingest.Page{Posts: []ingest.Post{{Message: 1, PostedAt: today, Text: text, Raw: []byte(text)}}})
	}
	var left int
	if row("SELECT count(*) FROM parser.quarantine", &left); left != 0 {
		t.Error("a message that was read is still in quarantine")
	}
	var text string
	var revision int
	var raw []byte
	if row("SELECT revision, text, raw FROM parser.revisions", &revision, &text, &raw); revision != 1 || text != "a" || string(raw) != "a" {
		t.Errorf("got revision %d, %q, %q, want what stood there before", revision, text, raw)
	}
}

func TestStoreThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t, postgres.Schema, postgres.Migrations())
	pool.Close()
	_, err := postgres.NewPosts(pool, ingesttest.EncodeLabel, func() {}).SavePage(t.Context(), 42, ingest.Page{}, today)
	if err == nil {
		t.Error("a page was saved on a closed pool")
	}
}
