// Package pg opens Postgres the one way that all services use: instants come back in UTC, the search path is empty so that a missing
// schema qualifier fails loudly, no statement or idle transaction lives for ever, and no error text carries a password.
package pg

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidemark/tidemark/kit/env"
	"github.com/tidemark/tidemark/kit/telemetry"
)

// connectTimeout bounds one attempt to reach the server.
const connectTimeout = 5 * time.Second

// Options of a pool.
type Options struct {
	App      string            // shown in pg_stat_activity
	MaxConns int32             // 0 means 10
	Traces   *telemetry.Traces // nil: makes none
}

// Config reads a URL and sets what holds for every connection of ours.
func Config(url env.Secret, o Options) (*pgxpool.Config, error) {
	if url == "" {
		return nil, errors.New("no database is given: set --database-url to postgres://USER:PASSWORD@HOST:PORT/NAME")
	}
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
		"statement_timeout": "30s", "lock_timeout": "5s", "idle_in_transaction_session_timeout": "30s",
	} {
		c.ConnConfig.RuntimeParams[name] = value
	}
	if o.Traces != nil {
		c.ConnConfig.Tracer = spans{o.Traces.Tracer("postgres")}
	}
	c.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		scanUTC(conn.TypeMap())
		return nil
	}
	return c, nil
}

// scanUTC makes timestamptz, and arrays and ranges of it, come back in UTC instead of the machine's zone.
func scanUTC(types *pgtype.Map) {
	instant := &pgtype.Type{Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC}}
	span := &pgtype.Type{Name: "tstzrange", OID: pgtype.TstzrangeOID, Codec: &pgtype.RangeCodec{ElementType: instant}}
	types.RegisterTypes([]*pgtype.Type{
		instant, span,
		{Name: "_timestamptz", OID: pgtype.TimestamptzArrayOID, Codec: &pgtype.ArrayCodec{ElementType: instant}},
		{Name: "_tstzrange", OID: pgtype.TstzrangeArrayOID, Codec: &pgtype.ArrayCodec{ElementType: span}},
		{Name: "tstzmultirange", OID: pgtype.TstzmultirangeOID, Codec: &pgtype.MultirangeCodec{ElementType: span}},
	})
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

// InTx runs fn in one transaction: committed when it returns nil, rolled back otherwise.
func InTx(ctx context.Context, pool *pgxpool.Pool, fn func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, pool, fn)
}
