package postgres

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidemark/tidemark/kit/telemetry"
	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

// keepRevisions copies what stands before it is overwritten.
const keepRevisions = `INSERT INTO parser.revisions (channel_id, message_id, revision, edited_at, deleted_at, text, entities, author_signature,
    forward, reply_to, media, pinned, raw, seen_at, replaced_at)
SELECT channel_id, message_id, revision, edited_at, deleted_at, text, entities, author_signature,
    forward, reply_to, media, pinned, raw, changed_at, $3
FROM parser.posts WHERE channel_id = $1 AND message_id = ANY ($2::bigint[])`

const deletePosts = `DELETE FROM parser.posts WHERE channel_id = $1 AND message_id = ANY ($2::bigint[])`

const markDeleted = `UPDATE parser.posts SET deleted_at = $3, changed_at = greatest(changed_at, $4)
WHERE channel_id = $1 AND message_id = ANY ($2::bigint[])`

const release = `DELETE FROM parser.quarantine WHERE channel_id = $1 AND (message_id >= $2 AND coalesce(last_id, message_id) <= $3 OR message_id = ANY ($4::bigint[]))
    AND NOT EXISTS (SELECT FROM unnest($5::bigint[]) AS bad(id) WHERE bad.id BETWEEN message_id AND coalesce(last_id, message_id))`

const quarantine = `INSERT INTO parser.quarantine (channel_id, message_id, last_id, raw, problem, first_seen_at, last_seen_at, failures)
SELECT $1, message_id, nullif(last_id, 0), coalesce(raw, ''), problem, $2, $2, 1
FROM unnest($3::bigint[], $4::bigint[], $5::bytea[], $6::text[]) AS page(message_id, last_id, raw, problem)
ON CONFLICT (channel_id, message_id) DO UPDATE SET last_id = excluded.last_id, raw = excluded.raw, problem = excluded.problem, last_seen_at = excluded.last_seen_at,
    failures = parser.quarantine.failures + 1`

const insertEvents = `INSERT INTO parser.events (tx, channel_id, message_id, revision, kind, recorded_at, event, traceparent)
SELECT pg_current_xact_id(), $1, message_id, revision, kind, $2, event, nullif($7, '')
FROM unnest($3::bigint[], $4::integer[], $5::text[], $6::bytea[]) AS page(message_id, revision, kind, event)`

// replace makes room for rows that change, and keeps what edited ones said.
func replace(ctx context.Context, conn *pgxpool.Conn, channel ingest.ChannelID, posts []ingest.Stored) error {
	var edited, changed []int64
	for i := range posts {
		if posts[i].Kind == ingest.Created {
			continue
		}
		changed = append(changed, int64(posts[i].Message))
		if posts[i].Kind == ingest.Edited {
			edited = append(edited, int64(posts[i].Message))
		}
	}
	if len(changed) == 0 {
		return nil
	}
	var b pgx.Batch
	if len(edited) > 0 {
		b.Queue(keepRevisions, int64(channel), edited, posts[0].ChangedAt)
	}
	b.Queue(deletePosts, int64(channel), changed)
	return conn.SendBatch(ctx, &b).Close()
}

func copyIn(ctx context.Context, conn *pgxpool.Conn, channel ingest.ChannelID, posts []ingest.Stored) error {
	if len(posts) == 0 {
		return nil
	}
	if err := replace(ctx, conn, channel, posts); err != nil {
		return fmt.Errorf("replace posts: %w", err)
	}
	if _, err := conn.Conn().PgConn().CopyFrom(ctx, bytes.NewReader(rowsOf(channel, posts)), copyPosts); err != nil {
		return fmt.Errorf("copy posts: %w", err)
	}
	return nil
}

func queueDeleted(b *pgx.Batch, channel ingest.ChannelID, deleted []ingest.MessageID, readAt, now time.Time) {
	if readAt.IsZero() {
		readAt = now
	}
	b.Queue(markDeleted, int64(channel), ids(deleted), now, readAt)
}

// queueRelease forgets that messages could not be read once, now that they can, or are gone.
func queueRelease(b *pgx.Batch, channel ingest.ChannelID, page ingest.Page) {
	read, bad := make([]int64, len(page.Posts)), make([]int64, len(page.Unreadable))
	for i := range page.Posts {
		read[i] = int64(page.Posts[i].Message)
	}
	for i := range page.Unreadable {
		bad[i] = int64(page.Unreadable[i].Message)
	}
	b.Queue(release, int64(channel), int64(page.Covered.First), int64(page.Covered.Last), read, bad)
}

func queueUnreadable(b *pgx.Batch, channel ingest.ChannelID, unreadable []ingest.Unreadable, now time.Time) {
	var messages, lasts []int64
	var raws [][]byte
	var problems []string
	seen := map[ingest.MessageID]bool{}
	for _, u := range unreadable {
		if !seen[u.Message] {
			messages, lasts = append(messages, int64(u.Message)), append(lasts, int64(u.Last))
			raws, problems = append(raws, u.Raw), append(problems, u.Problem)
		}
		seen[u.Message] = true
	}
	b.Queue(quarantine, int64(channel), now, messages, lasts, raws, problems)
}

func (s *Posts) queueEvents(ctx context.Context, b *pgx.Batch, channel ingest.ChannelID, events []ingest.Event, now time.Time) error {
	if len(events) == 0 {
		return nil
	}
	messages, revisions, kinds := make([]int64, len(events)), make([]int32, len(events)), make([]string, len(events))
	for i, e := range events {
		messages[i], revisions[i], kinds[i] = int64(e.Message), e.Revision, string(e.Kind)
	}
	bodies, err := s.bodies(events)
	if err != nil {
		return err
	}
	b.Queue(insertEvents, int64(channel), now, messages, revisions, kinds, bodies, telemetry.Traceparent(ctx))
	return nil
}

func (s *Posts) bodies(events []ingest.Event) (bodies [][]byte, err error) {
	bodies = make([][]byte, len(events))
	for i, e := range events {
		if bodies[i], err = s.encode(e); err != nil {
			return nil, &encodeError{e.Message, err}
		}
	}
	return bodies, nil
}

func ids(messages []ingest.MessageID) []int64 {
	out := make([]int64, len(messages))
	for i, m := range messages {
		out[i] = int64(m)
	}
	return out
}
