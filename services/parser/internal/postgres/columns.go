package postgres

import (
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

// sparse is a column of which many rows are null: it is as long as its last value needs. The zero T must mean null.
type sparse[T any] []T

func (c *sparse[T]) set(row, rows int, v T) {
	if *c == nil {
		*c = make(sparse[T], 0, rows)
	}
	*c = (*c)[:row+1]
	(*c)[row] = v
}

// columns are posts as upsertPosts wants them.
type columns struct {
	message, counters                                                 []int64
	revision                                                          []int32
	posted                                                            []time.Time
	content                                                           [][]byte
	edited                                                            sparse[pgtype.Timestamptz]
	text, entities, signature, reactions, forward, reply, kind, media sparse[pgtype.Text]
	authorKind                                                        sparse[pgtype.Int2]
	author, album, bot                                                sparse[pgtype.Int8]
	views, forwards, replies, flags, ttl                              sparse[pgtype.Int4]
	raw                                                               sparse[[]byte]
}

// args are in the order of the statement's parameters, from the third on.
func (c *columns) args() []any {
	return []any{
		c.message, c.revision, c.posted, flat(c.edited), flat(c.text), flat(c.entities), flat(c.signature), flat(c.authorKind), flat(c.author),
		flat(c.views), flat(c.forwards), flat(c.replies), flat(c.reactions), flat(c.album), flat(c.forward), flat(c.reply), flat(c.kind),
		flat(c.media), flat(c.bot), flat(c.flags), flat(c.ttl), [][]byte(c.raw), c.content, c.counters,
	}
}

func flat[T any](c sparse[T]) pgtype.FlatArray[T] { return pgtype.FlatArray[T](c) }

func columnsOf(posts []ingest.Stored) *columns {
	n := len(posts)
	c := &columns{
		message: make([]int64, n), counters: make([]int64, n), revision: make([]int32, n), posted: make([]time.Time, n), content: make([][]byte, n),
	}
	for i := range posts {
		p := &posts[i]
		c.message[i], c.counters[i], c.revision[i], c.posted[i], c.content[i] = int64(p.Message), p.Counters, p.Revision, p.PostedAt, p.Content[:]
		c.add(i, n, &p.Post)
	}
	return c
}

func (c *columns) add(i, n int, p *ingest.Post) {
	if !p.EditedAt.IsZero() {
		c.edited.set(i, n, pgtype.Timestamptz{Time: p.EditedAt, Valid: true})
	}
	text(&c.text, i, n, p.Text)
	text(&c.signature, i, n, p.AuthorSignature)
	if p.Author != (ingest.Peer{}) {
		c.authorKind.set(i, n, pgtype.Int2{Int16: int16(p.Author.Kind), Valid: true})
	}
	number(&c.author, i, n, p.Author.ID)
	number(&c.album, i, n, p.Album)
	number(&c.bot, i, n, p.ViaBot)
	counter(&c.views, i, n, p.Views)
	counter(&c.forwards, i, n, p.Forwards)
	counter(&c.replies, i, n, p.Replies)
	if len(p.Entities) > 0 {
		document(&c.entities, i, n, p.Entities)
	}
	if len(p.Reactions) > 0 {
		document(&c.reactions, i, n, p.Reactions)
	}
	if p.Forward != nil {
		document(&c.forward, i, n, p.Forward)
	}
	if p.ReplyTo != nil {
		document(&c.reply, i, n, p.ReplyTo)
	}
	if p.Media != nil {
		text(&c.kind, i, n, string(p.Media.Kind))
		document(&c.media, i, n, p.Media)
	}
	if f := flagsOf(p); f != 0 {
		c.flags.set(i, n, pgtype.Int4{Int32: f, Valid: true})
	}
	if p.TTL > 0 {
		c.ttl.set(i, n, pgtype.Int4{Int32: int32(p.TTL / time.Second), Valid: true})
	}
	if len(p.Raw) > 0 {
		c.raw.set(i, n, p.Raw)
	}
}

func text(c *sparse[pgtype.Text], i, n int, s string) {
	if s != "" {
		c.set(i, n, pgtype.Text{String: s, Valid: true})
	}
}

func number(c *sparse[pgtype.Int8], i, n int, v int64) {
	if v != 0 {
		c.set(i, n, pgtype.Int8{Int64: v, Valid: true})
	}
}

func counter(c *sparse[pgtype.Int4], i, n int, v *int32) {
	if v != nil {
		c.set(i, n, pgtype.Int4{Int32: *v, Valid: true})
	}
}

func document(c *sparse[pgtype.Text], i, n int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain structs of the core, cleaned by it
	}
	c.set(i, n, pgtype.Text{String: string(b), Valid: true})
}

// flagsOf packs the booleans, most of which are false in most posts.
func flagsOf(p *ingest.Post) (flags int32) {
	for i, is := range [...]bool{p.Pinned, p.Silent, p.Protected, p.EditHidden} {
		if is {
			flags |= 1 << i
		}
	}
	return flags
}
