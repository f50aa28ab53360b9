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

// Posts keeps posts and writes the outbox; it is an ingest.Store and an ingest.Reader.
type Posts struct {
	pool   *pgxpool.Pool
	encode ingest.Encoder
	wake   func()
}

var (
	_ ingest.Store  = (*Posts)(nil)
	_ ingest.Reader = (*Posts)(nil)
)

// NewPosts is the store of posts in a migrated database. Events are stored as encode makes them; wake hears of every commit that brought some.
func NewPosts(pool *pgxpool.Pool, encode ingest.Encoder, wake func()) *Posts {
	return &Posts{pool: pool, encode: encode, wake: wake}
}

// SavePage writes one page in one transaction and three round trips: lock the channel and load what is known; copy posts in; store events and commit. The lock
// comes before the transaction has an id, so that of one channel the ids grow in the order of commit: the relay relies on it.
func (s *Posts) SavePage(ctx context.Context, channel ingest.ChannelID, page ingest.Page, now time.Time) (ingest.Saved, error) {
	change, err := s.savePage(ctx, channel, &page, now)
	if isPoison(err) {
		if page, err = s.isolate(ctx, channel, page, now); err == nil {
			change, err = s.savePage(ctx, channel, &page, now)
		}
	}
	if err != nil {
		return ingest.Saved{}, failed(fmt.Sprintf("save messages %d to %d of channel %d", page.Covered.First, page.Covered.Last, channel), err)
	}
	if len(change.Events) > 0 {
		s.wake()
	}
	return change.Saved, nil
}

func (s *Posts) savePage(ctx context.Context, channel ingest.ChannelID, page *ingest.Page, now time.Time) (change ingest.Change, err error) {
	return change, s.pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error { // a connection that comes back inside a transaction is closed by the pool
		known, strikes, err := lockAndLoad(ctx, conn, channel, span(*page))
		if err != nil {
			return fmt.Errorf("load what is known: %w", err)
		}
		if change = ingest.Decide(channel, *page, known, strikes, now); change.Restarted {
			return errors.Join(ingest.ErrRestarted, rollback(ctx, conn))
		}
		return s.write(ctx, conn, channel, *page, change, len(strikes) > 0, now)
	})
}

func rollback(ctx context.Context, conn *pgxpool.Conn) error {
	_, err := conn.Exec(ctx, "ROLLBACK")
	return err
}

// span holds all ids that a page speaks of.
func span(p ingest.Page) ingest.Range {
	r := p.Covered
	if n := len(p.Posts); n > 0 {
		if r == (ingest.Range{}) {
			r = ingest.Range{First: p.Posts[0].Message, Last: p.Posts[n-1].Message}
		}
		r = ingest.Range{First: min(r.First, p.Posts[0].Message), Last: max(r.Last, p.Posts[n-1].Message)}
	}
	for _, u := range p.Unreadable {
		if r == (ingest.Range{}) {
			r = ingest.Range{First: u.Message, Last: u.Message}
		}
		r = ingest.Range{First: min(r.First, u.Message), Last: max(r.Last, u.Message)}
	}
	return r
}

// channelLock is the class of our advisory locks, beside those of the kit.
const channelLock int64 = 0x7061 << 48

const selectKnown = `SELECT message_id, revision, content_hash, counters_hash, posted_at, edited_at, first_seen_at, changed_at, deleted_at IS NOT NULL
FROM parser.posts WHERE channel_id = $1 AND message_id BETWEEN $2 AND $3 ORDER BY message_id`

const selectStrikes = `SELECT message_id, failures FROM parser.quarantine WHERE channel_id = $1 AND message_id BETWEEN $2 AND $3`

func lockAndLoad(ctx context.Context, conn *pgxpool.Conn, channel ingest.ChannelID, r ingest.Range) (known []ingest.Known, strikes ingest.Strikes, err error) {
	var b pgx.Batch
	b.Queue("BEGIN")
	b.Queue("SELECT pg_advisory_xact_lock($1)", channelLock|int64(channel))
	b.Queue(selectKnown, int64(channel), int64(r.First), int64(r.Last)).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var k ingest.Known
			var content []byte
			var edited *time.Time
			if err := rows.Scan(&k.Message, &k.Revision, &content, &k.Counters, &k.PostedAt, &edited, &k.FirstSeenAt, &k.ReadAt, &k.IsDeleted); err != nil {
				return err
			}
			copy(k.Content[:], content)
			k.EditedAt = instant(edited)
			known = append(known, k)
		}
		return rows.Err()
	})
	strikes = ingest.Strikes{}
	b.Queue(selectStrikes, int64(channel), int64(r.First), int64(r.Last)).Query(func(rows pgx.Rows) error {
		var id ingest.MessageID
		var failures int
		_, err := pgx.ForEachRow(rows, []any{&id, &failures}, func() error { strikes[id] = failures; return nil })
		return err
	})
	return known, strikes, conn.SendBatch(ctx, &b).Close()
}

func (s *Posts) write(ctx context.Context, conn *pgxpool.Conn, channel ingest.ChannelID, page ingest.Page, c ingest.Change, struck bool, now time.Time) error {
	if err := copyIn(ctx, conn, channel, c.Posts); err != nil {
		return err
	}
	var b pgx.Batch
	if struck {
		queueRelease(&b, channel, page)
	}
	if len(c.Deleted) > 0 {
		queueDeleted(&b, channel, c.Deleted, page.ReadAt, now)
	}
	if len(page.Unreadable) > 0 {
		queueUnreadable(&b, channel, page.Unreadable, now)
	}
	if err := s.queueEvents(ctx, &b, channel, c.Events, now); err != nil {
		return err
	}
	b.Queue("COMMIT")
	if err := conn.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

func instant(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
