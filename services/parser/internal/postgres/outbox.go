package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

// Outbox is the table of events, as the relay sees it; docs/decisions/0005-outbox.md.
type Outbox struct{ pool *pgxpool.Pool }

var _ ingest.Outbox = (*Outbox)(nil)

// NewOutbox is the outbox in a migrated database.
func NewOutbox(pool *pgxpool.Pool) *Outbox { return &Outbox{pool} }

// relayLock is held by the one who publishes.
const relayLock int64 = 0x7061_7265_6c61_79

// Lead takes the right to publish, which lives as long as the connection that it keeps for itself.
func (o *Outbox) Lead(ctx context.Context) (ingest.Lead, bool, error) {
	pooled, err := o.pool.Acquire(ctx)
	if err != nil {
		return nil, false, failed("connect to lead the outbox", err)
	}
	var leads bool
	if err := pooled.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", relayLock).Scan(&leads); err != nil || !leads {
		pooled.Release()
		return nil, false, failed("lead the outbox", err)
	}
	l := &lead{conn: pooled.Hijack()}
	if err := l.start(ctx); err != nil {
		l.Close()
		return nil, false, failed("lead the outbox", err)
	}
	return l, true, nil
}

// lead reads ahead of what is marked as sent; ahead remembers the places between.
type lead struct {
	conn  *pgx.Conn
	read  ingest.Place
	ahead []ingest.Place
	sent  int64 // of all answered, how many are marked
}

const restored = `SELECT greatest(tx, (SELECT max(tx) FROM parser.events)) >= pg_snapshot_xmax(pg_current_snapshot()) FROM parser.relay`

// renumber is for a database that was restored into another cluster, whose transactions count from lower numbers: what was sent and what was not
// keeps its place before all that will come. What was stored since then by transactions of this cluster is told by its id.
var renumber = []string{
	`UPDATE parser.events e SET tx = CASE WHEN (e.tx, e.id) > (r.tx, r.id) OR e.tx < pg_snapshot_xmax(pg_current_snapshot()) AND e.id > r.last
    THEN '2'::xid8 ELSE '1'::xid8 END
FROM (SELECT tx, id, greatest(id, (SELECT max(id) FROM parser.events WHERE tx >= pg_snapshot_xmax(pg_current_snapshot()))) AS last FROM parser.relay) r`,
	"UPDATE parser.relay SET tx = '2', id = 0, acked_tx = NULL, acked_id = NULL",
}

func (l *lead) start(ctx context.Context) error {
	var foreign bool
	if err := l.conn.QueryRow(ctx, restored).Scan(&foreign); err != nil {
		return err
	}
	if foreign {
		err := pgx.BeginFunc(ctx, l.conn, func(tx pgx.Tx) error {
			for _, sql := range append([]string{"SET LOCAL statement_timeout = 0"}, renumber...) {
				if _, err := tx.Exec(ctx, sql); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("renumber a restored outbox: %w", err)
		}
	}
	return l.conn.QueryRow(ctx, "SELECT tx, id FROM parser.relay").Scan(&l.read.Tx, &l.read.ID)
}

// selectUnsent reads no transaction before all older ones have ended, so that none is skipped.
const selectUnsent = `SELECT tx, id, channel_id, message_id, kind, event, coalesce(traceparent, '') FROM parser.events
WHERE (tx, id) > ($1, $2) AND tx < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY tx, id LIMIT $3`

// Next marks and reads in one round trip.
func (l *lead) Next(ctx context.Context, sent int64, limit int) ([]ingest.Outgoing, error) {
	var b pgx.Batch
	if n := sent - l.sent; n > int64(len(l.ahead)) {
		return nil, fmt.Errorf("%d events are said to be sent, %d were answered", sent, l.sent+int64(len(l.ahead)))
	} else if n > 0 {
		last := l.ahead[n-1]
		b.Queue("UPDATE parser.relay SET tx = $1, id = $2", last.Tx, last.ID)
		l.ahead, l.sent = l.ahead[n:], sent
	}
	events := make([]ingest.Outgoing, 0, limit)
	b.Queue(selectUnsent, l.read.Tx, l.read.ID, limit).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var e ingest.Outgoing
			if err := rows.Scan(&l.read.Tx, &l.read.ID, &e.Channel, &e.Message, &e.Kind, &e.Bytes, &e.Traceparent); err != nil {
				return err
			}
			e.Place = l.read
			events = append(events, e)
			l.ahead = append(l.ahead, l.read)
		}
		return rows.Err()
	})
	if err := l.conn.SendBatch(ctx, &b).Close(); err != nil {
		return nil, failed("read the outbox", err)
	}
	return events, nil
}

const rewind = `UPDATE parser.relay SET tx = $1, id = $2, rewound_at = clock_timestamp() WHERE (tx, id) > ($1, $2)`

// Published is ingest.Lead's.
func (l *lead) Published(ctx context.Context, end ingest.Place) (again bool, err error) {
	if end == (ingest.Place{}) {
		row := l.conn.QueryRow(ctx, "SELECT coalesce(acked_tx, '0'), coalesce(acked_id, 0) FROM parser.relay")
		if err := row.Scan(&end.Tx, &end.ID); err != nil {
			return false, failed("read what was acknowledged", err)
		}
	}
	if !end.Before(l.read) {
		return false, nil
	}
	tag, err := l.conn.Exec(ctx, rewind, end.Tx, end.ID)
	if err != nil {
		return false, failed("go back in the outbox", err)
	}
	l.read = end
	return tag.RowsAffected() > 0, nil
}

// Acknowledged is ingest.Lead's.
func (l *lead) Acknowledged(ctx context.Context, p ingest.Place) error {
	_, err := l.conn.Exec(ctx, "UPDATE parser.relay SET acked_tx = $1, acked_id = $2", p.Tx, p.ID)
	return failed("note what was acknowledged", err)
}

// closeWithin bounds the goodbye; a connection that is cut gives the lock up as well.
const closeWithin = 2 * time.Second

// Close gives the lead up with its connection.
func (l *lead) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	_ = l.conn.Close(ctx)
}

// Backlog is what waits to be published.
type Backlog struct {
	Unsent int       // counted up to a million
	Oldest time.Time // since when the oldest of them waits; zero when there is none
}

const (
	selectOldest = `SELECT greatest(e.recorded_at, r.rewound_at) FROM parser.events e, parser.relay r WHERE (e.tx, e.id) > (r.tx, r.id) ORDER BY e.tx, e.id LIMIT 1`
	selectCount  = `SELECT count(*) FROM (SELECT FROM parser.events e, parser.relay r WHERE (e.tx, e.id) > (r.tx, r.id) LIMIT 1000000) unsent`
)

// Oldest is since when the oldest unsent event waits to be sent, or to be sent again; zero when there is none.
func (o *Outbox) Oldest(ctx context.Context) (oldest time.Time, err error) {
	err = o.pool.QueryRow(ctx, selectOldest).Scan(&oldest)
	if errors.Is(err, pgx.ErrNoRows) {
		return time.Time{}, nil
	}
	return oldest, failed("look at the outbox", err)
}

// Backlog counts.
func (o *Outbox) Backlog(ctx context.Context) (b Backlog, err error) {
	if b.Oldest, err = o.Oldest(ctx); err != nil || b.Oldest.IsZero() {
		return b, err
	}
	err = o.pool.QueryRow(ctx, selectCount).Scan(&b.Unsent)
	return b, failed("count the outbox", err)
}
