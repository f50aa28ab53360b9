package postgres

import (
	"encoding/binary"
	"encoding/json"
	"time"

	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

// copyPosts takes rows as appendRow writes them. Rows that are new, and known to be under the channel's lock, are copied in: that costs Postgres
// less than an upsert of arrays. Rows that change are deleted first.
const copyPosts = `COPY parser.posts (channel_id, message_id, revision, posted_at, edited_at, text, entities, author_signature, author_kind, author_id,
    views, forwards, replies, reactions, album_id, topic_id, forward, reply_to, media_kind, media, via_bot_id, pinned, silent, protected, edit_hidden,
    ttl_seconds, raw, content_hash, counters_hash, first_seen_at, changed_at) FROM STDIN (FORMAT binary)`

const copiedColumns = 31

// rows is Postgres's binary COPY format.
type rows []byte

// rowsOf writes all posts.
func rowsOf(channel ingest.ChannelID, posts []ingest.Stored) rows {
	size := 64
	for i := range posts {
		size += 512 + len(posts[i].Text) + len(posts[i].Raw)
	}
	b := append(make(rows, 0, size), "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
	for i := range posts {
		b.row(channel, &posts[i])
	}
	return binary.BigEndian.AppendUint16(b, 0xffff) // the end
}

func (b *rows) row(channel ingest.ChannelID, p *ingest.Stored) {
	*b = binary.BigEndian.AppendUint16(*b, copiedColumns)
	b.int8(int64(channel))
	b.int8(int64(p.Message))
	b.int4(p.Revision)
	b.instant(p.PostedAt)
	b.instant(p.EditedAt)
	b.text(p.Text)
	b.document(len(p.Entities) > 0, p.Entities)
	b.some(p.AuthorSignature)
	if p.Author == (ingest.Peer{}) {
		b.null()
		b.null()
	} else {
		b.int2(int16(p.Author.Kind))
		b.int8(p.Author.ID)
	}
	b.counter(p.Views)
	b.counter(p.Forwards)
	b.counter(p.Replies)
	b.document(len(p.Reactions) > 0, p.Reactions)
	b.id(p.Album)
	b.id(int64(p.Topic))
	b.document(p.Forward != nil, p.Forward)
	b.document(p.ReplyTo != nil, p.ReplyTo)
	if p.Media == nil {
		b.null()
		b.null()
	} else {
		b.some(string(p.Media.Kind))
		b.document(true, p.Media)
	}
	b.id(p.ViaBot)
	b.bool(p.Pinned)
	b.bool(p.Silent)
	b.bool(p.Protected)
	b.bool(p.EditHidden)
	if ttl := int32(p.TTL / time.Second); ttl > 0 {
		b.int4(ttl)
	} else {
		b.null()
	}
	if len(p.Raw) > 0 {
		b.text(string(p.Raw))
	} else {
		b.null()
	}
	b.text(string(p.Content[:]))
	b.int8(p.Counters)
	b.instant(p.FirstSeenAt)
	b.instant(p.ChangedAt)
}

func (b *rows) length(n int) { *b = binary.BigEndian.AppendUint32(*b, uint32(n)) }
func (b *rows) null()        { b.length(-1) }

func (b *rows) int2(v int16) {
	b.length(2)
	*b = binary.BigEndian.AppendUint16(*b, uint16(v))
}

func (b *rows) int4(v int32) {
	b.length(4)
	*b = binary.BigEndian.AppendUint32(*b, uint32(v))
}

func (b *rows) int8(v int64) {
	b.length(8)
	*b = binary.BigEndian.AppendUint64(*b, uint64(v))
}

// id is null when there is none.
func (b *rows) id(v int64) {
	if v == 0 {
		b.null()
		return
	}
	b.int8(v)
}

func (b *rows) counter(v *int32) {
	if v == nil {
		b.null()
		return
	}
	b.int4(*v)
}

func (b *rows) bool(v bool) {
	b.length(1)
	if v {
		*b = append(*b, 1)
	} else {
		*b = append(*b, 0)
	}
}

// epoch is Postgres's, in microseconds of Unix time.
const epoch = 946_684_800_000_000

func (b *rows) instant(t time.Time) {
	if t.IsZero() {
		b.null()
		return
	}
	b.int8(t.UnixMicro() - epoch)
}

func (b *rows) text(s string) {
	b.length(len(s))
	*b = append(*b, s...)
}

// some is null when empty.
func (b *rows) some(s string) {
	if s == "" {
		b.null()
		return
	}
	b.text(s)
}

// document is jsonb: a version, then text.
func (b *rows) document(there bool, v any) {
	if !there {
		b.null()
		return
	}
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain structs of the core
	}
	b.length(1 + len(text))
	*b = append(append(*b, 1), text...)
}
