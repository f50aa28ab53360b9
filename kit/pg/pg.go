// Package pg opens Postgres the one way that all services use: instants come back in UTC, the search path is empty so that a missing
// schema qualifier fails loudly, no statement or idle transaction lives for ever, and no error text carries a password.
package pg

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidemark/tidemark/kit/env"
)

// connectTimeout bounds one attempt to reach the server.
const connectTimeout = 5 * time.Second

// Options of a pool.
type Options struct {
	App      string // shown in pg_stat_activity
	MaxConns int32  // 0 means 10
}

// Config reads a URL and sets what holds for every connection of ours.
func Config(url env.Secret, o Options) (*pgxpool.Config, error) {
	c, err := pgxpool.ParseConfig(url.Reveal())
	if err != nil {
		return nil, errors.New("the database URL is malformed: want postgres://USER:PASSWORD@HOST:PORT/NAME")
	}
	if c.MaxConns = o.MaxConns; c.MaxConns == 0 {
		c.MaxConns = 10
	}
	c.ConnConfig.ConnectTimeout = connectTimeout
	for name, value := range map[string]string{
		"timezone": "UTC", "search_path": "", "application_name": o.App,
		"statement_timeout": "30s", "lock_timeout": "10s", "idle_in_transaction_session_timeout": "30s",
	} {
		c.ConnConfig.RuntimeParams[name] = value
	}
	c.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		scanUTC(conn.TypeMap())
		return nil
	}
	return c, nil
}

// scanUTC makes timestamptz come back in UTC instead of the machine's zone.
func scanUTC(types *pgtype.Map) {
	types.RegisterType(&pgtype.Type{Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC}})
}

// Open connects and checks that the server answers.
func Open(ctx context.Context, url env.Secret, o Options) (*pgxpool.Pool, error) {
	c, err := Config(url, o)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("open the database pool: %w", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, unreachable(c, err)
	}
	return pool, nil
}

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
	reason := "no answer"
	var refused *pgconn.PgError
	var op *net.OpError
	switch {
	case errors.As(err, &refused):
		reason = refused.Message
	case errors.As(err, &op):
		reason = op.Err.Error()
	}
	return &UnreachableError{address, reason, err}
}

// InTx runs fn in one transaction: committed when it returns nil, rolled back otherwise.
func InTx(ctx context.Context, pool *pgxpool.Pool, fn func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, pool, fn)
}

// IsUnavailable is true when the server, not the statement, is the trouble: the same call may succeed later.
func IsUnavailable(err error) bool {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		switch refused.Code {
		case "57P01", "57P02", "57P03", "53300", "53100", "53200", "55P03", "25006", "40001", "40P01", "57014":
			return true // shutdown, start-up, too many connections, disk full, out of memory, lock timeout, read-only, serialization, deadlock, statement timeout
		}
		return refused.Code[:2] == "08"
	}
	var connect *pgconn.ConnectError
	var op *net.OpError
	var ours *UnreachableError
	return errors.As(err, &connect) || errors.As(err, &op) || errors.As(err, &ours) || pgconn.SafeToRetry(err) ||
		errors.Is(err, net.ErrClosed) || isEOF(err)
}
