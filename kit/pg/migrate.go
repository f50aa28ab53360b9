package pg

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"

	"github.com/tidemark/tidemark/kit/env"
)

// migrateLock keeps two programs that start at once from migrating at once; one lock for all schemas of a database.
const migrateLock int64 = 0x7469_6465_6d61_726b

// Then is more to migrate under the same lock, after our own files: a library's tables, say.
type Then func(ctx context.Context, pool *pgxpool.Pool) error

// Migrate brings a service's own schema up to what this program knows. Forward only; safe when several start at once; a schema from the
// future is refused.
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
		if err := migrate(ctx, pool, schema, files); err != nil {
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
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", migrateLock); err != nil {
		return fmt.Errorf("take the migration lock: %w", err)
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
	if err := refuseFuture(ctx, provider); err != nil {
		return err
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	return nil
}

func provider(db *sql.DB, schema string, files fs.FS) (*goose.Provider, error) {
	store, err := database.NewStore(database.DialectPostgres, schema+".goose_db_version")
	if err != nil {
		return nil, fmt.Errorf("version table: %w", err)
	}
	p, err := goose.NewProvider("", db, files, goose.WithStore(store), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	return p, nil
}

func refuseFuture(ctx context.Context, p *goose.Provider) error {
	at, knows, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read its version: %w", err)
	}
	if at > knows {
		return errors.Join(ErrFuture, fmt.Errorf("the schema is at version %d, this program knows %d", at, knows))
	}
	return nil
}

// ErrFuture: the database was migrated by a newer program.
var ErrFuture = errors.New("install a newer version of this program")
