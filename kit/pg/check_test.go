package pg_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidemark/tidemark/kit/pg"
	"github.com/tidemark/tidemark/kit/pg/pgtest"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	never := open(t, pg.Options{})
	at1, at2 := pgtest.New(t, "s", first), pgtest.New(t, "s", second)
	for name, tc := range map[string]struct {
		pool  *pgxpool.Pool
		files fs.FS
		is    error
		want  string
	}{
		"as it should be": {at2, second, nil, ""},
		"never migrated":  {never, first, pg.ErrPast, "database schema s is at version 0, this program wants 1: run its migrate command"},
		"behind":          {at1, second, pg.ErrPast, "database schema s is at version 1, this program wants 2: run its migrate command"},
		"ahead":           {at2, first, pg.ErrFuture, "database schema s is at version 2, this program knows 1: install a newer version of this program"},
	} {
		t.Run(name, func(t *testing.T) {
			err := pg.Check(t.Context(), tc.pool, "s", tc.files)
			if got := text(err); got != tc.want || !errors.Is(err, tc.is) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestMigrateRefusesTheFutureInOneLine(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t, "s", second)
	want := "database schema s is at version 2, this program knows 1: install a newer version of this program"
	if got := text(pg.Migrate(t.Context(), url, "s", first)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A broken migration must leave the schema where it was, so that a mended one can go on from there.
func TestABrokenMigrationChangesNothing(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t, "s", first)
	broken := fstest.MapFS{"00001_a.sql": first["00001_a.sql"], "00002_b.sql": {Data: []byte("-- +goose Up\nCREATE TABLE s.b (n int);\nSELECT 1/0;\n")}}
	if err := pg.Migrate(t.Context(), url, "s", broken); err == nil {
		t.Fatal("a broken migration was taken")
	}
	if err := pg.Migrate(t.Context(), url, "s", second); err != nil {
		t.Errorf("the mended one: %v", err)
	}
}

func TestEveryConnectionIsSetUp(t *testing.T) {
	t.Parallel()
	pool := open(t, pg.Options{App: "tester"})
	got := map[string]string{}
	want := map[string]string{
		"TimeZone": "UTC", "search_path": "", "application_name": "tester",
		"statement_timeout": "30s", "lock_timeout": "5s", "idle_in_transaction_session_timeout": "30s",
	}
	for name := range want {
		var value string
		if err := pool.QueryRow(t.Context(), "SELECT current_setting($1)", name).Scan(&value); err != nil {
			t.Fatal(err)
		}
		got[name] = value
	}
	if got["search_path"] == `""` {
		got["search_path"] = ""
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestArraysAndRangesOfInstantsAreUTC(t *testing.T) {
	t.Parallel()
	pool := open(t, pg.Options{})
	var list []time.Time
	var span pgtype.Range[time.Time]
	err := pool.QueryRow(t.Context(), `SELECT ARRAY['2026-03-01 21:00+09'::timestamptz], tstzrange('2026-03-01 21:00+09', '2026-03-02 21:00+09')`).Scan(&list, &span)
	if err != nil {
		t.Fatal(err)
	}
	want := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for where, got := range map[string]time.Time{"array": list[0], "range": span.Lower} {
		if got != want {
			t.Errorf("%s: got %s, want %s exactly", where, got, want)
		}
	}
}

func TestWhatIsUnavailable(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err  error
		want bool
	}{
		"nothing":           {nil, false},
		"shut down":         {&pgconn.PgError{Code: "57P01"}, true},
		"too many":          {&pgconn.PgError{Code: "53300"}, true},
		"connection lost":   {&pgconn.PgError{Code: "08006"}, true},
		"gone in mid word":  {io.ErrUnexpectedEOF, true},
		"a constraint":      {&pgconn.PgError{Code: "23505"}, false},
		"a syntax error":    {&pgconn.PgError{Code: "42601"}, false},
		"no code":           {&pgconn.PgError{}, false},
		"the caller's time": {context.DeadlineExceeded, false},
		"ours":              {errors.New("other"), false},
	} {
		if got := pg.IsUnavailable(tc.err); got != tc.want {
			t.Errorf("%s: got %t, want %t", name, got, tc.want)
		}
	}
}

func TestAKilledConnectionIsUnavailableAndThePoolRecovers(t *testing.T) {
	t.Parallel()
	pool := open(t, pg.Options{MaxConns: 1})
	_, err := pool.Exec(t.Context(), "SELECT pg_terminate_backend(pg_backend_pid())")
	if !pg.IsUnavailable(err) {
		t.Errorf("got %v, want it to count as unavailable", err)
	}
	if _, err := pool.Exec(t.Context(), "SELECT 1"); err != nil {
		t.Errorf("the next statement: %v", err)
	}
}

func TestNoDatabaseGiven(t *testing.T) {
	t.Parallel()
	_, err := pg.Open(t.Context(), "", pg.Options{})
	if got := text(err); got != "no database is given: set --database-url to postgres://USER:PASSWORD@HOST:PORT/NAME" {
		t.Errorf("got %q", got)
	}
}

func TestAPanicRollsBack(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t, "s", first)
	func() {
		defer func() { _ = recover() }()
		_ = pg.InTx(t.Context(), pool, func(tx pgx.Tx) error {
			if err := exec(t, tx); err != nil {
				t.Error(err)
			}
			panic("boom")
		})
	}()
	if err := pg.InTx(t.Context(), pool, func(tx pgx.Tx) error { return exec(t, tx) }); err != nil {
		t.Errorf("the row of the broken transaction is there: %v", err)
	}
}

func open(t *testing.T, o pg.Options) *pgxpool.Pool {
	t.Helper()
	pool, err := pg.Open(t.Context(), pgtest.Empty(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// Two programs that start at once migrate one after the other; the second waits as long as the first takes.
func TestOneMigratesAtATime(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	var inside atomic.Int32
	slow := func(ctx context.Context, pool *pgxpool.Pool) error {
		if n := inside.Add(1); n != 1 {
			t.Errorf("%d migrate at once", n)
		}
		defer inside.Add(-1)
		_, err := pool.Exec(ctx, "SELECT pg_sleep(0.1)")
		return err
	}
	results := make(chan error, 4)
	for range cap(results) {
		go func() { results <- pg.Migrate(t.Context(), url, "s", second, slow) }()
	}
	for range cap(results) {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}
