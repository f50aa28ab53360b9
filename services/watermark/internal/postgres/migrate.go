package postgres

import (
	"context"
	"io/fs"

	"github.com/tidemark/tidemark/kit/env"
	"github.com/tidemark/tidemark/kit/pg"
)

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
