// Package truth holds what is in Postgres and what came out of Redis against what the simulated Telegram has, one by one. The end-to-end tests and the
// storms of suite/chaos compare with it, so that there is one idea of what "the same" means.
package truth

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/jackc/pgx/v5"

	"github.com/tidemark/tidemark/services/parser/tgsim/world"
)

// Row is a post as Postgres has it, as far as the truth tells it, too.
type Row struct {
	ID              int64
	Posted          time.Time
	Edited, Deleted *time.Time
	Text            string
	Entities        []byte // JSON
	Album           *int64
	Media           *string
	File            *int64
	Revision        int32
}

// Database is what rows are read from: a connection or a pool.
type Database interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

const selectRows = `SELECT message_id, posted_at, edited_at, deleted_at, text, entities, album_id, media_kind, (media->>'file_id')::bigint, revision
FROM parser.posts WHERE channel_id = $1 ORDER BY message_id`

// Rows are all posts of a channel, by id, those that are marked as deleted included.
func Rows(ctx context.Context, db Database, channel int64) ([]Row, error) {
	rows, err := db.Query(ctx, selectRows, channel)
	if err != nil {
		return nil, fmt.Errorf("read the posts of channel %d: %w", channel, err)
	}
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (x Row, err error) {
		err = r.Scan(&x.ID, &x.Posted, &x.Edited, &x.Deleted, &x.Text, &x.Entities, &x.Album, &x.Media, &x.File, &x.Revision)
		return x, err
	})
}

// Verdict is what comparing a channel's posts came to.
type Verdict struct {
	Expected, Present  int
	Missing, Different []int64
	Why                []string // of each that differs, for people
}

// Same is true when nothing is missing and nothing differs.
func (v Verdict) Same() bool { return len(v.Missing)+len(v.Different) == 0 }

// Posts holds rows against the posts that Telegram has. What Telegram has no more must be marked as deleted, or never have been seen.
func Posts(truth []world.Post, rows []Row) (v Verdict) {
	have := make(map[int64]*Row, len(rows))
	for i := range rows {
		have[rows[i].ID] = &rows[i]
	}
	differs := func(id int64, why string) {
		v.Different, v.Why = append(v.Different, id), append(v.Why, fmt.Sprintf("%d: %s", id, why))
	}
	v.Expected = len(truth)
	for _, p := range truth {
		r := have[int64(p.ID)]
		delete(have, int64(p.ID))
		if r == nil {
			v.Missing = append(v.Missing, int64(p.ID))
			continue
		}
		v.Present++
		if why := difference(p, r); why != "" {
			differs(r.ID, why)
		}
	}
	for i := range rows {
		if r := have[rows[i].ID]; r != nil && r.Deleted == nil {
			differs(r.ID, "is deleted in Telegram")
		}
	}
	return v
}

func difference(p world.Post, r *Row) string {
	edited := value(r.Edited)
	switch {
	case r.Deleted != nil:
		return "is marked as deleted"
	case !r.Posted.Equal(p.Date):
		return fmt.Sprintf("posted at %s, want %s", r.Posted, p.Date)
	case !edited.Equal(p.Edited):
		return fmt.Sprintf("edited at %s, want %s", edited, p.Edited)
	case r.Text != p.Text:
		return fmt.Sprintf("says %.40q, want %.40q", r.Text, p.Text)
	case value(r.Album) != p.Grouped:
		return fmt.Sprintf("album %d, want %d", value(r.Album), p.Grouped)
	case !fits(value(r.Media), p.Media):
		return fmt.Sprintf("media %q, want %q", value(r.Media), p.Media)
	case p.File != 0 && value(r.File) != p.File:
		return fmt.Sprintf("file %d, want %d", value(r.File), p.File)
	}
	return entitiesDiffer(r.Entities, p.Marks)
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// names are what an attachment may be called, by its TL name; all others are "other".
func names(tl string) []string {
	switch tl {
	case "":
		return []string{""}
	case "messageMediaPhoto":
		return []string{"photo"}
	case "messageMediaDocument":
		return []string{"video", "video_note", "voice", "audio", "animation", "sticker", "document"}
	case "messageMediaWebPage":
		return []string{"web_page"}
	case "messageMediaPoll":
		return []string{"poll"}
	case "messageMediaGeo", "messageMediaGeoLive", "messageMediaVenue":
		return []string{"location"}
	case "messageMediaContact":
		return []string{"contact"}
	}
	return []string{"other"}
}

func fits(kind, tl string) bool { return slices.Contains(names(tl), kind) }

func entitiesDiffer(stored []byte, want []world.Mark) string {
	var got []struct {
		Kind           string
		Offset, Length int
	}
	if stored != nil {
		if err := json.Unmarshal(stored, &got); err != nil {
			return "entities: " + err.Error()
		}
	}
	if len(got) != len(want) {
		return fmt.Sprintf("%d entities, want %d", len(got), len(want))
	}
	for i, w := range want {
		if kind := snake(strings.TrimPrefix(w.Type, "messageEntity")); got[i].Kind != kind || got[i].Offset != w.Offset || got[i].Length != w.Length {
			return fmt.Sprintf("entity %v, want %v", got[i], w)
		}
	}
	return ""
}

// snake spells TextUrl as text_url.
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
