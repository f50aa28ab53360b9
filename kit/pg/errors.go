package pg

import (
	"errors"
	"io"

	"github.com/jackc/pgx/v5/pgconn"
)

// IsUnique is true when err violates the named unique constraint.
func IsUnique(err error, constraint string) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && refused.Code == "23505" && refused.ConstraintName == constraint
}

// isEOF is true when the server went away in mid sentence.
func isEOF(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
