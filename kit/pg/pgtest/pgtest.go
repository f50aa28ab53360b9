// Package pgtest gives each test a Postgres database of its own, migrated, in well under a tenth of a second: a clone of a template that is
// named by the hash of the migrations and made once.
//
// The server is the one that TEST_DATABASE_URL names (`make test` starts one for all packages), else a private one for the package.
package pgtest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidemark/tidemark/kit/embedded"
	"github.com/tidemark/tidemark/kit/env"
	"github.com/tidemark/tidemark/kit/pg"
)

// templateLock keeps test binaries that share a server from making the same template at once.
const templateLock int64 = 0x7067_7465_7374

// server is the package's own, started at the first use and stopped by Main; made are the templates that are known to be there.
var server struct {
	sync.Mutex
	process *embedded.Process
	dir     string
	made    sync.Map
}

// Main runs a package's tests and stops the private server that they may have started.
func Main(m *testing.M) {
	code := m.Run()
	if server.process != nil {
		_ = server.process.Close()
		_ = os.RemoveAll(server.dir)
	}
	os.Exit(code)
}

// New is a pool on a fresh database with the migrations applied.
func New(t testing.TB, schema string, files fs.FS, then ...pg.Then) *pgxpool.Pool {
	t.Helper()
	pool, err := pg.Open(t.Context(), URL(t, schema, files, then...), pg.Options{App: t.Name()})
	if err != nil {
		t.Fatalf("open the test's database: %v", err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// URL is the address of a fresh database with the migrations applied.
func URL(t testing.TB, schema string, files fs.FS, then ...pg.Then) env.Secret {
	t.Helper()
	ctx := t.Context()
	admin := adminURL(t)
	template := templateName(t, schema, files, len(then))
	if _, ok := server.made.Load(template); !ok {
		if err := ensureTemplate(ctx, admin, template, func(url env.Secret) error { return pg.Migrate(ctx, url, schema, files, then...) }); err != nil {
			t.Fatalf("make the template database: %v", err)
		}
		server.made.Store(template, true)
	}
	name := "test_" + strings.ToLower(rand.Text())
	execute(t, admin, fmt.Sprintf("CREATE DATABASE %s TEMPLATE %s STRATEGY FILE_COPY", name, template))
	t.Cleanup(func() { drop(admin, name) })
	return withDatabase(admin, name)
}

// Empty is the address of a fresh database without anything in it.
func Empty(t testing.TB) env.Secret {
	t.Helper()
	admin, name := adminURL(t), "test_"+strings.ToLower(rand.Text())
	execute(t, admin, "CREATE DATABASE "+name)
	t.Cleanup(func() { drop(admin, name) })
	return withDatabase(admin, name)
}

func adminURL(t testing.TB) env.Secret {
	t.Helper()
	if given := os.Getenv("TEST_DATABASE_URL"); given != "" {
		return env.Secret(given)
	}
	server.Lock()
	defer server.Unlock()
	if server.process == nil {
		dir, err := os.MkdirTemp("", "tidemark-test-")
		if err != nil {
			t.Fatal(err)
		}
		p, err := embedded.Postgres(context.WithoutCancel(t.Context()), dir, embedded.PostgresOptions{Fast: true}, slog.New(slog.DiscardHandler))
		if err != nil {
			_ = os.RemoveAll(dir)
			t.Fatalf("no Postgres for tests: %v\nSet TEST_DATABASE_URL to a server whose user may create databases, or install one: `make setup`.", err)
		}
		server.process, server.dir = p, dir
	}
	return env.Secret(server.process.URL)
}

// templateName is the hash of the migrations; of what comes after them only the number is known.
func templateName(t testing.TB, schema string, files fs.FS, then int) string {
	t.Helper()
	sum := sha256.New()
	_, _ = fmt.Fprintf(sum, "%d then ", then)
	err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := fs.ReadFile(files, path)
		_, _ = fmt.Fprintf(sum, "%s %d %s", path, len(body), body)
		return err
	})
	if err != nil {
		t.Fatalf("read the migrations: %v", err)
	}
	return "template_" + schema + "_" + hex.EncodeToString(sum.Sum(nil)[:8])
}

// ensureTemplate makes the template once, however many test binaries want it at the same time.
func ensureTemplate(ctx context.Context, admin env.Secret, name string, migrate func(env.Secret) error) error {
	conn, err := pgx.Connect(ctx, admin.Reveal())
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", templateLock); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	var ready bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1 AND datistemplate)", name).Scan(&ready); err != nil || ready {
		return err
	}
	for _, sql := range []string{"DROP DATABASE IF EXISTS " + name, "CREATE DATABASE " + name} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("create: %w", err)
		}
	}
	if err := migrate(withDatabase(admin, name)); err != nil {
		return err
	}
	if _, err = conn.Exec(ctx, "ALTER DATABASE "+name+" WITH IS_TEMPLATE true ALLOW_CONNECTIONS false"); err != nil {
		return fmt.Errorf("mark as a template: %w", err)
	}
	return nil
}

func withDatabase(admin env.Secret, name string) env.Secret {
	u, err := url.Parse(admin.Reveal())
	if err != nil {
		panic("TEST_DATABASE_URL is no URL")
	}
	u.Path = "/" + name
	return env.Secret(u.String())
}

func execute(t testing.TB, admin env.Secret, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), admin.Reveal())
	if err != nil {
		t.Fatalf("connect to the test server: %v", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func drop(admin env.Secret, name string) {
	ctx := context.Background()
	if conn, err := pgx.Connect(ctx, admin.Reveal()); err == nil {
		_, _ = conn.Exec(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
		_ = conn.Close(ctx)
	}
}
