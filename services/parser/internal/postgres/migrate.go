// Package postgres keeps what the parser knows: posts with their revisions, the events that tell of them, messages that nobody can read yet; and
// accounts. What is new or changed is decided by the core; this room locks, loads, and writes sets of rows in as few round trips
// as it can.
package postgres

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"github.com/tidemark/tidemark/kit/env"
	"github.com/tidemark/tidemark/kit/pg"
	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

// Schema is the Postgres schema that this service alone writes.
const Schema = "parser"

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the schema's files, in the order of their names.
func Migrations() fs.FS {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the name is embedded above
	}
	return files
}

// Migrate brings the schema up to what this program knows.
func Migrate(ctx context.Context, url env.Secret) error {
	return pg.Migrate(ctx, url, Schema, Migrations())
}

// failed says what we were doing; a server that does not answer is the core's ErrStoreDown.
func failed(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case pg.IsUnavailable(err):
		return fmt.Errorf("%s: %w: %w", doing, ingest.ErrStoreDown, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
