package pg_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidemark/tidemark/kit/env"
	"github.com/tidemark/tidemark/kit/pg"
	"github.com/tidemark/tidemark/kit/pg/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

var (
	first  = fstest.MapFS{"00001_a.sql": {Data: []byte("-- +goose Up\nCREATE TABLE s.a (n int PRIMARY KEY, made_at timestamptz);\n")}}
	second = fstest.MapFS{"00001_a.sql": first["00001_a.sql"], "00002_b.sql": {Data: []byte("-- +goose Up\nCREATE TABLE s.b (n int);\n")}}
)

func TestSeveralMigrateAtOnce(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	var starting sync.WaitGroup
	for range 4 {
		starting.Go(func() {
			if err := pg.Migrate(t.Context(), url, "s", second); err != nil {
				t.Error(err)
			}
		})
	}
	starting.Wait()
}

func TestASchemaFromTheFutureIsRefused(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	if err := pg.Migrate(t.Context(), url, "s", second); err != nil {
		t.Fatal(err)
	}
	err := pg.Migrate(t.Context(), url, "s", first)
	if !errors.Is(err, pg.ErrFuture) || !strings.Contains(err.Error(), "version 2, this program knows 1") {
		t.Errorf("got %v, want it refused with both versions", err)
	}
}

func TestInstantsComeBackInUTC(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t, "s", first)
	zone := time.FixedZone("far", 9*3600)
	want := time.Date(2026, 3, 1, 21, 0, 0, 0, zone)
	var got time.Time
	err := pool.QueryRow(t.Context(), "INSERT INTO s.a VALUES (1, $1) RETURNING made_at", want).Scan(&got)
	if err != nil || !got.Equal(want) || got.Location() != time.UTC {
		t.Errorf("got %s, %v, want the same instant in UTC", got, err)
	}
}

func TestTheSearchPathIsEmpty(t *testing.T) {
	t.Parallel()
	if _, err := pgtest.New(t, "s", first).Exec(t.Context(), "SELECT * FROM a"); err == nil {
		t.Error("a table without its schema was found")
	}
}

func TestInTx(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t, "s", first)
	boom := errors.New("boom")
	if err := pg.InTx(t.Context(), pool, func(tx pgx.Tx) error { return errors.Join(exec(t, tx), boom) }); !errors.Is(err, boom) {
		t.Errorf("got %v, want %v", err, boom)
	}
	if err := pg.InTx(t.Context(), pool, func(tx pgx.Tx) error { return exec(t, tx) }); err != nil {
		t.Errorf("the row of the transaction before is still there: %v", err)
	}
	if err := pg.InTx(t.Context(), pool, func(tx pgx.Tx) error { return exec(t, tx) }); !pg.IsUnique(err, "a_pkey") {
		t.Errorf("got %v, want the unique violation", err)
	}
}

func exec(t *testing.T, tx pgx.Tx) error {
	_, err := tx.Exec(t.Context(), "INSERT INTO s.a VALUES (1)")
	return err
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		url  env.Secret
		want string
	}{
		"nobody listens": {"postgres://u:hunter2@127.0.0.1:1/db", "Postgres at 127.0.0.1:1 cannot be used: "},
		"malformed":      {"postgres://u:hunter2@[::1/db", "the database URL is malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			_, err := pg.Open(ctx, tc.url, pg.Options{})
			if err == nil || !strings.HasPrefix(err.Error(), tc.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v, want %q and no password", err, tc.want)
			}
			if name == "nobody listens" && !pg.IsUnavailable(err) {
				t.Error("not recognized as unavailable")
			}
		})
	}
}
