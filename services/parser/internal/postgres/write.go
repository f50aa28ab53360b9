package postgres

import (
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

// keepRevisions copies what stands before it is overwritten.
const keepRevisions = `INSERT INTO parser.revisions (channel_id, message_id, revision, edited_at, deleted_at, text, entities, author_signature,
    forward, reply_to, media, pinned, raw, seen_at, replaced_at)
SELECT channel_id, message_id, revision, edited_at, deleted_at, text, entities, author_signature,
    forward, reply_to, media, pinned, raw, changed_at, $3
FROM parser.posts WHERE channel_id = $1 AND message_id = ANY ($2::bigint[])`

// upsertPosts writes whole rows. A column that is null to the end of the page is sent without that end: unnest fills up with nulls.
const upsertPosts = `INSERT INTO parser.posts (channel_id, message_id, revision, posted_at, edited_at, text, entities, author_signature, author_kind,
    author_id, views, forwards, replies, reactions, album_id, forward, reply_to, media_kind, media, via_bot_id, pinned, silent, protected,
    edit_hidden, ttl_seconds, raw, content_hash, counters_hash, first_seen_at, changed_at)
SELECT $1, message_id, revision, posted_at, edited_at, coalesce(text, ''), entities::jsonb, author_signature, author_kind,
    author_id, views, forwards, replies, reactions::jsonb, album_id, forward::jsonb, reply_to::jsonb, media_kind, media::jsonb, via_bot_id,
    coalesce(flags, 0) & 1 <> 0, coalesce(flags, 0) & 2 <> 0, coalesce(flags, 0) & 4 <> 0, coalesce(flags, 0) & 8 <> 0,
    ttl_seconds, raw, content_hash, counters_hash, $2, $2
FROM unnest($3::bigint[], $4::integer[], $5::timestamptz[], $6::timestamptz[], $7::text[], $8::text[], $9::text[], $10::smallint[],
    $11::bigint[], $12::integer[], $13::integer[], $14::integer[], $15::text[], $16::bigint[], $17::text[], $18::text[], $19::text[], $20::text[],
    $21::bigint[], $22::integer[], $23::integer[], $24::bytea[], $25::bytea[], $26::bigint[])
AS page(message_id, revision, posted_at, edited_at, text, entities, author_signature, author_kind,
    author_id, views, forwards, replies, reactions, album_id, forward, reply_to, media_kind, media,
    via_bot_id, flags, ttl_seconds, raw, content_hash, counters_hash)
ON CONFLICT (channel_id, message_id) DO UPDATE SET revision = excluded.revision, posted_at = excluded.posted_at,
    edited_at = excluded.edited_at, deleted_at = NULL, text = excluded.text, entities = excluded.entities,
    author_signature = excluded.author_signature, author_kind = excluded.author_kind, author_id = excluded.author_id,
    views = excluded.views, forwards = excluded.forwards, replies = excluded.replies, reactions = excluded.reactions,
    album_id = excluded.album_id, forward = excluded.forward, reply_to = excluded.reply_to, media_kind = excluded.media_kind,
    media = excluded.media, via_bot_id = excluded.via_bot_id, pinned = excluded.pinned, silent = excluded.silent,
    protected = excluded.protected, edit_hidden = excluded.edit_hidden, ttl_seconds = excluded.ttl_seconds, raw = excluded.raw,
    content_hash = excluded.content_hash, counters_hash = excluded.counters_hash, changed_at = excluded.changed_at`

const markDeleted = `UPDATE parser.posts SET deleted_at = $3, changed_at = greatest(changed_at, $4)
WHERE channel_id = $1 AND message_id = ANY ($2::bigint[])`

// release forgets a message that could not be read once, now that it can.
const release = `DELETE FROM parser.quarantine WHERE channel_id = $1 AND message_id = ANY ($2::bigint[])`

const quarantine = `INSERT INTO parser.quarantine (channel_id, message_id, raw, problem, first_seen_at, last_seen_at, failures)
SELECT $1, message_id, coalesce(raw, ''), problem, $2, $2, 1 FROM unnest($3::bigint[], $4::bytea[], $5::text[]) AS page(message_id, raw, problem)
ON CONFLICT (channel_id, message_id) DO UPDATE SET raw = excluded.raw, problem = excluded.problem, last_seen_at = excluded.last_seen_at,
    failures = parser.quarantine.failures + 1`

const insertEvents = `INSERT INTO parser.events (tx, channel_id, message_id, revision, kind, recorded_at, event)
SELECT pg_current_xact_id(), $1, message_id, revision, kind, $2, event
FROM unnest($3::bigint[], $4::integer[], $5::text[], $6::bytea[]) AS page(message_id, revision, kind, event)`

func queuePosts(b *pgx.Batch, channel ingest.ChannelID, page ingest.Page, c ingest.Change, now time.Time) {
	readAt := page.ReadAt
	if readAt.IsZero() {
		readAt = now
	}
	var edited, all []int64
	for i := range c.Posts {
		all = append(all, int64(c.Posts[i].Message))
		if c.Posts[i].Kind == ingest.Edited {
			edited = append(edited, int64(c.Posts[i].Message))
		}
	}
	if len(edited) > 0 {
		b.Queue(keepRevisions, int64(channel), edited, readAt)
	}
	if len(c.Posts) > 0 {
		args := columnsOf(c.Posts).args()
		b.Queue(upsertPosts, append([]any{int64(channel), readAt}, args...)...)
		b.Queue(release, int64(channel), all)
	}
	if len(c.Deleted) > 0 {
		b.Queue(markDeleted, int64(channel), ids(c.Deleted), now, readAt)
	}
}

func queueUnreadable(b *pgx.Batch, channel ingest.ChannelID, unreadable []ingest.Unreadable, now time.Time) {
	var messages []int64
	var raws [][]byte
	var problems []string
	seen := map[ingest.MessageID]bool{}
	for _, u := range unreadable {
		if !seen[u.Message] {
			messages, raws, problems = append(messages, int64(u.Message)), append(raws, u.Raw), append(problems, u.Problem)
		}
		seen[u.Message] = true
	}
	b.Queue(quarantine, int64(channel), now, messages, raws, problems)
}

func (s *Posts) queueEvents(b *pgx.Batch, channel ingest.ChannelID, events []ingest.Event, now time.Time) error {
	if len(events) == 0 {
		return nil
	}
	messages, revisions := make([]int64, len(events)), make([]int32, len(events))
	kinds, bodies := make([]string, len(events)), make([][]byte, len(events))
	for i, e := range events {
		body, err := s.encode(e)
		if err != nil {
			return fmt.Errorf("encode the event of message %d: %w", e.Message, err)
		}
		messages[i], revisions[i], kinds[i], bodies[i] = int64(e.Message), e.Revision, string(e.Kind), body
	}
	b.Queue(insertEvents, int64(channel), now, messages, revisions, kinds, bodies)
	return nil
}

func ids(messages []ingest.MessageID) []int64 {
	out := make([]int64, len(messages))
	for i, m := range messages {
		out[i] = int64(m)
	}
	return out
}
