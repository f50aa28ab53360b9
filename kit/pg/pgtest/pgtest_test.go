package pgtest

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidemark/tidemark/kit/env"
	"github.com/tidemark/tidemark/kit/pg"
)

func TestMain(m *testing.M) { Main(m) }

var files = fstest.MapFS{"00001_a.sql": {Data: []byte("-- +goose Up\nCREATE TABLE s.a (n int PRIMARY KEY);\n")}}

func count(t *testing.T, pool *pgxpool.Pool) (n int) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM s.a").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestEachTestHasItsOwnDatabase(t *testing.T) {
	t.Parallel()
	one, two := New(t, "s", files), New(t, "s", files)
	if _, err := one.Exec(t.Context(), "INSERT INTO s.a VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	if mine, other := count(t, one), count(t, two); mine != 1 || other != 0 {
		t.Errorf("got %d rows in one's and %d in the other's, want 1 and 0", mine, other)
	}
}

func TestTheDatabaseIsGoneAfterTheTest(t *testing.T) {
	t.Parallel()
	var name string
	t.Run("inner", func(t *testing.T) { name = New(t, "s", files).Config().ConnConfig.Database })
	admin, err := pg.Open(t.Context(), adminURL(t), pg.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	var there bool
	if err := admin.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name).Scan(&there); err != nil || there || name == "" {
		t.Errorf("database %q there: %t, %v", name, there, err)
	}
}

func TestTheTemplateIsMadeOnce(t *testing.T) {
	t.Parallel()
	admin, template := adminURL(t), "template_once"
	var made atomic.Int32
	results := make(chan error, 4)
	for range cap(results) {
		go func() {
			results <- ensureTemplate(t.Context(), admin, template, func(env.Secret) error { made.Add(1); return nil })
		}()
	}
	for range cap(results) {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if made.Load() != 1 {
		t.Errorf("made %d times, want once", made.Load())
	}
	execute(t, admin, "ALTER DATABASE template_once WITH IS_TEMPLATE false")
	execute(t, admin, "DROP DATABASE template_once")
}

// A migration that fails must not leave a template behind that the next run takes for whole.
func TestAHalfMadeTemplateIsMadeAgain(t *testing.T) {
	t.Parallel()
	admin, template := adminURL(t), "template_half"
	boom := errors.New("boom")
	if err := ensureTemplate(t.Context(), admin, template, func(env.Secret) error { return boom }); !errors.Is(err, boom) {
		t.Fatalf("got %v, want %v", err, boom)
	}
	made := false
	if err := ensureTemplate(t.Context(), admin, template, func(env.Secret) error { made = true; return nil }); err != nil || !made {
		t.Errorf("got %v, made again: %t", err, made)
	}
	execute(t, admin, "ALTER DATABASE template_half WITH IS_TEMPLATE false")
	execute(t, admin, "DROP DATABASE template_half")
}

func TestTheTemplateIsNamedByAllThatMakesIt(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, f := range []fstest.MapFS{files, {"00001_b.sql": files["00001_a.sql"]}, {"00001_a.sql": {Data: []byte("other")}}} {
		names[templateName(t, "s", f, 0)] = true
	}
	names[templateName(t, "other", files, 0)], names[templateName(t, "s", files, 1)] = true, true
	if len(names) != 5 {
		t.Errorf("got %d names for 5 different templates", len(names))
	}
}

func TestMoreIsMigratedAfterTheFiles(t *testing.T) {
	t.Parallel()
	more := func(ctx context.Context, pool *pgxpool.Pool) error {
		_, err := pool.Exec(ctx, "INSERT INTO s.a VALUES (7)")
		return err
	}
	if got := count(t, New(t, "s", files, more)); got != 1 {
		t.Errorf("got %d rows, want the one that came after the files", got)
	}
}

func BenchmarkClone(b *testing.B) {
	URL(b, "s", files) // the template
	for b.Loop() {
		URL(b, "s", files)
	}
}
