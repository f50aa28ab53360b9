package pg

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"

	"github.com/tidemark/tidemark/kit/env"
)

// migrateLock keeps two programs that start at once from migrating at once; one lock for all schemas of a database.
const migrateLock int64 = 0x7469_6465_6d61_726b

// versionTable lives in the service's own schema.
const versionTable = "goose_db_version"

// Then is more to migrate under the same lock, after our own files: a library's tables, say.
type Then func(ctx context.Context, pool *pgxpool.Pool) error

// Migrate brings a service's own schema up to what this program knows: the *.sql files at the root of files, which name the schema in all
// they create. Forward only; safe when several start at once; a schema from the future is refused.
func Migrate(ctx context.Context, url env.Secret, schema string, files fs.FS, then ...Then) error {
	c, err := Config(url, Options{App: "migrate " + schema, MaxConns: 4})
	if err != nil {
		return err
	}
	c.ConnConfig.RuntimeParams["statement_timeout"] = "0" // a migration takes as long as it takes
	c.ConnConfig.RuntimeParams["lock_timeout"] = "60s"
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return fmt.Errorf("open the database pool: %w", err)
	}
	defer pool.Close()
	if err := pool.Ping(ctx); err != nil {
		return unreachable(c, err)
	}
	return locked(ctx, pool, func() error {
		if err := migrate(ctx, pool, schema, files); errors.Is(err, ErrFuture) {
			return err
		} else if err != nil {
			return fmt.Errorf("migrate schema %s: %w", schema, err)
		}
		for _, t := range then {
			if err := t(ctx, pool); err != nil {
				return fmt.Errorf("migrate schema %s: %w", schema, err)
			}
		}
		return nil
	})
}

func locked(ctx context.Context, pool *pgxpool.Pool, fn func() error) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect for the migration lock: %w", err)
	}
	defer conn.Release()
	for _, sql := range []string{"SET lock_timeout = 0", "SELECT pg_advisory_lock(" + strconv.FormatInt(migrateLock, 10) + ")"} { // waits as long as the other takes
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("take the migration lock: %w", err)
		}
	}
	defer func() { _, _ = conn.Exec(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", migrateLock) }()
	return fn()
}

func migrate(ctx context.Context, pool *pgxpool.Pool, schema string, files fs.FS) error {
	if _, err := pool.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+pgx.Identifier{schema}.Sanitize()); err != nil {
		return fmt.Errorf("create it: %w", err)
	}
	db := stdlib.OpenDBFromPool(pool)
	defer func() { _ = db.Close() }()
	provider, err := provider(db, schema, files)
	if err != nil {
		return err
	}
	at, knows, err := provider.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read its version: %w", err)
	}
	if err := refuseFuture(schema, at, knows); err != nil {
		return err
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	return nil
}

func provider(db *sql.DB, schema string, files fs.FS) (*goose.Provider, error) {
	store, err := database.NewStore(database.DialectPostgres, schema+"."+versionTable)
	if err != nil {
		return nil, fmt.Errorf("version table: %w", err)
	}
	p, err := goose.NewProvider("", db, files, goose.WithStore(store), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	return p, nil
}

func refuseFuture(schema string, at, knows int64) error {
	if at <= knows {
		return nil
	}
	return fmt.Errorf("database schema %s is at version %d, this program knows %d: %w", schema, at, knows, ErrFuture)
}

// ErrFuture: the database was migrated by a newer program.
var ErrFuture = errors.New("install a newer version of this program")

// ErrPast: the database was migrated by an older program, or never.
var ErrPast = errors.New("run its migrate command")

// Version is the version a schema is at; 0 when it was never migrated.
func Version(ctx context.Context, pool *pgxpool.Pool, schema string) (int64, error) {
	var at int64
	err := pool.QueryRow(ctx, "SELECT coalesce(max(version_id), 0) FROM "+pgx.Identifier{schema, versionTable}.Sanitize()+" WHERE is_applied").Scan(&at)
	var refused *pgconn.PgError
	if errors.As(err, &refused) && (refused.Code == "42P01" || refused.Code == "3F000") { // no such table, no such schema
		return 0, nil
	} else if err != nil {
		return 0, fmt.Errorf("read the version of schema %s: %w", schema, err)
	}
	return at, nil
}

// Check is nil when a schema is exactly what this program knows; it changes nothing. Else it is ErrFuture or ErrPast in one clear line.
func Check(ctx context.Context, pool *pgxpool.Pool, schema string, files fs.FS) error {
	at, err := Version(ctx, pool, schema)
	if err != nil {
		return err
	}
	knows, err := newest(files)
	if err != nil {
		return err
	}
	if at < knows {
		return fmt.Errorf("database schema %s is at version %d, this program wants %d: %w", schema, at, knows, ErrPast)
	}
	return refuseFuture(schema, at, knows)
}

// newest is the version of the last migration.
func newest(files fs.FS) (version int64, err error) {
	names, err := fs.Glob(files, "*.sql")
	for _, name := range names {
		v, err := goose.NumericComponent(name)
		if err != nil {
			return 0, fmt.Errorf("migration %s: %w", name, err)
		}
		version = max(version, v)
	}
	return version, err
}
