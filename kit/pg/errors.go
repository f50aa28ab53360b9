package pg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// UnreachableError says that Postgres does not take us in, and where, without the password.
type UnreachableError struct {
	Address string
	Reason  string
	cause   error
}

// Error says what to look at.
func (e *UnreachableError) Error() string {
	return fmt.Sprintf("Postgres at %s cannot be used: %s; check --database-url and that the server runs", e.Address, e.Reason)
}

// Unwrap gives the driver's error, for the log only.
func (e *UnreachableError) Unwrap() error { return e.cause }

func unreachable(c *pgxpool.Config, err error) error {
	address := net.JoinHostPort(c.ConnConfig.Host, fmt.Sprint(c.ConnConfig.Port))
	reason := "what answers is no Postgres, or wants TLS otherwise"
	var refused *pgconn.PgError
	var name *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &refused):
		reason = refused.Message
	case errors.As(err, &name):
		reason = "nobody knows this host"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		reason = "no answer"
	case errors.As(err, &op):
		reason = op.Err.Error()
	}
	return &UnreachableError{address, reason, err}
}

// IsUnique is true when err violates the named unique constraint.
func IsUnique(err error, constraint string) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && refused.Code == "23505" && refused.ConstraintName == constraint
}

// passing are the SQLSTATEs of troubles that pass.
func passing(code string) bool {
	return strings.HasPrefix(code, "08") || slices.Contains([]string{
		"57P01", "57P02", "57P03", // shut down, crashed, starting
		"53300", "53100", "53200", // too many connections, disk full, out of memory
		"55P03", "57014", // lock and statement timeout
		"40001", "40P01", // serialization, deadlock
		"25006", // read-only: a standby
	}, code)
}

// IsUnavailable is true when the server, not the statement, is the trouble: the same call may succeed later. It is false when the caller's own
// time ran out.
func IsUnavailable(err error) bool {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return passing(refused.Code)
	}
	var connect *pgconn.ConnectError
	var ours *UnreachableError
	if errors.As(err, &connect) || errors.As(err, &ours) {
		return true
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	var op *net.OpError
	return errors.As(err, &op) || pgconn.SafeToRetry(err) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
