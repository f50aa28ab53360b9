package main

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

// row is a post as Postgres has it, as far as the truth tells it, too.
type row struct {
	id              int64
	posted          time.Time
	edited, deleted *time.Time
	text            string
	entities        []byte
	album           *int64
	mediaKind       *string
	file            *int64
	revision        int32
}

const selectRows = `SELECT message_id, posted_at, edited_at, deleted_at, text, entities, album_id, media_kind, (media->>'file_id')::bigint, revision
FROM parser.posts WHERE channel_id = $1 ORDER BY message_id`

func (s *stage) rows(ctx context.Context, channel int64) ([]row, error) {
	rows, err := s.db.Query(ctx, selectRows, channel)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (x row, err error) {
		err = r.Scan(&x.id, &x.posted, &x.edited, &x.deleted, &x.text, &x.entities, &x.album, &x.mediaKind, &x.file, &x.revision)
		return x, err
	})
}

// verdict is what comparing a channel came to; the lists are ids.
type verdict struct {
	expected, present  int
	missing, different []int64
	why                []string // of those that differ
}

// compareposts holds rows against what Telegram has. Deleted posts must be marked as such, or never have been seen.
func comparePosts(truth []world.Post, rows []row) (v verdict) {
	have := make(map[int64]*row, len(rows))
	for i := range rows {
		have[rows[i].id] = &rows[i]
	}
	v.expected = len(truth)
	for _, p := range truth {
		r := have[int64(p.ID)]
		delete(have, int64(p.ID))
		if r == nil {
			v.missing = append(v.missing, int64(p.ID))
			continue
		}
		v.present++
		if why := difference(p, r); why != "" {
			v.different, v.why = append(v.different, r.id), append(v.why, fmt.Sprintf("%d: %s", r.id, why))
		}
	}
	for _, r := range have {
		if r.deleted == nil {
			v.different, v.why = append(v.different, r.id), append(v.why, fmt.Sprintf("%d: is deleted in Telegram", r.id))
		}
	}
	return v
}

func difference(p world.Post, r *row) string {
	var edited time.Time
	if r.edited != nil {
		edited = *r.edited
	}
	switch {
	case r.deleted != nil:
		return "is marked as deleted"
	case !r.posted.Equal(p.Date):
		return fmt.Sprintf("posted at %s, want %s", r.posted, p.Date)
	case !edited.Equal(p.Edited):
		return fmt.Sprintf("edited at %s, want %s", edited, p.Edited)
	case r.text != p.Text:
		return fmt.Sprintf("says %.40q, want %.40q", r.text, p.Text)
	case value(r.album) != p.Grouped:
		return fmt.Sprintf("album %d, want %d", value(r.album), p.Grouped)
	case !fits(value(r.mediaKind), p.Media):
		return fmt.Sprintf("media %q, want %q", value(r.mediaKind), p.Media)
	case p.File != 0 && value(r.file) != p.File:
		return fmt.Sprintf("file %d, want %d", value(r.file), p.File)
	}
	return entitiesDiffer(r.entities, p.Marks)
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// kinds are the names that an attachment may get, by its TL name; all others are "other".
var kinds = map[string][]string{
	"": {""}, "messageMediaPhoto": {"photo"}, "messageMediaWebPage": {"web_page"}, "messageMediaPoll": {"poll"}, "messageMediaGeo": {"location"}, "messageMediaContact": {"contact"},
	"messageMediaDocument": {"video", "video_note", "voice", "audio", "animation", "sticker", "document"},
}

func fits(kind, tl string) bool {
	if names, ok := kinds[tl]; ok {
		return slices.Contains(names, kind)
	}
	return kind == "other"
}

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

// outcome of comparing events.
type outcome struct {
	expected, present, disorder int
	missing                     []string // never came, and were never sent, or are still in Redis
	wiped                       []string // were sent, and wiped before anybody could read them
}

// compareEvents holds what was sent to Redis, and what came to a consumer, against what was committed, in the order of commit. A repeat counts at its
// first time. What came late because its first sending was wiped is in order if it was sent in order.
func compareEvents(committed, sent, came []string, times map[string]int, wipes bool) (o outcome) {
	place := make(map[string]int, len(committed))
	for _, id := range committed {
		if _, again := place[id]; !again {
			place[id] = len(place)
		}
	}
	seen := make(map[string]bool, len(came))
	for _, id := range came {
		seen[id] = true
	}
	for id := range place {
		switch o.expected++; {
		case seen[id]:
			o.present++
		case wipes && times[id] > 0:
			o.wiped = append(o.wiped, id)
		default:
			o.missing = append(o.missing, id)
		}
	}
	o.disorder = disorder(place, sent, nil) + disorder(place, came, func(id string) bool { return times[id] > 1 })
	return o
}

// disorder counts those that come behind one that was committed later.
func disorder(place map[string]int, ids []string, except func(string) bool) (n int) {
	last := -1
	for _, id := range ids {
		at, ok := place[id]
		if !ok {
			continue
		}
		if at < last && (except == nil || !except(id)) {
			n++
		}
		last = max(last, at)
	}
	return n
}

// due are the events that a post's row stands for.
func due(channel int64, r row) (ids []string) {
	for revision := int32(1); revision <= r.revision; revision++ {
		kind := "post.edited"
		if revision == 1 {
			kind = "post.created"
		}
		ids = append(ids, fmt.Sprintf("%d/%d/%d/%s", channel, r.id, revision, kind))
	}
	if r.deleted != nil {
		ids = append(ids, fmt.Sprintf("%d/%d/%d/post.deleted", channel, r.id, r.revision))
	}
	return ids
}

const selectEvents = `SELECT channel_id || '/' || message_id || '/' || revision || '/' || kind FROM parser.events WHERE channel_id = $1 ORDER BY tx, id`

func (s *stage) committed(ctx context.Context, channel int64) ([]string, error) {
	rows, err := s.db.Query(ctx, selectEvents, channel)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// equal is true when no post differs from the truth.
func (h *show) equal(ctx context.Context) bool {
	for _, c := range h.world.channels {
		truth, err := h.telegram.truth(ctx, c.id)
		if err != nil {
			return false
		}
		rows, err := h.rows(ctx, c.id)
		if err != nil {
			return false
		}
		if v := comparePosts(truth.Posts, rows); len(v.missing)+len(v.different) > 0 {
			return false
		}
	}
	return true
}

// compare holds everything against the truth, and writes the report.
func (h *show) compare(ctx context.Context) error {
	if err := h.audit.whole(ctx); err != nil {
		return fmt.Errorf("look for marks ahead of the data: %w", err)
	}
	h.awaitEvents(ctx)
	for _, c := range h.world.channels {
		if err := h.compareChannel(ctx, c.id); err != nil {
			return fmt.Errorf("compare channel %d: %w", c.id, err)
		}
	}
	h.report.finish(h)
	return nil
}

func (h *show) compareChannel(ctx context.Context, channel int64) error {
	truth, err := h.telegram.truth(ctx, channel)
	if err != nil {
		return err
	}
	rows, err := h.rows(ctx, channel)
	if err != nil {
		return err
	}
	committed, err := h.committed(ctx, channel)
	if err != nil {
		return err
	}
	known := make(map[string]bool, len(committed))
	for _, id := range committed {
		known[id] = true
	}
	for _, r := range rows { // a change that made no event at all must not go unnoticed
		for _, id := range due(channel, r) {
			if !known[id] {
				committed = append(committed, id)
			}
		}
	}
	h.canaries.gone(channel, truth)
	h.report.posts(channel, comparePosts(truth.Posts, rows))
	h.eyes.mu.Lock()
	defer h.eyes.mu.Unlock()
	h.sent.mu.Lock()
	defer h.sent.mu.Unlock()
	h.report.events(channel, compareEvents(committed, h.sent.order, h.eyes.order[channel], h.sent.times, h.report.faults["redis FLUSHALL"] > 0))
	h.report.messages += truth.Top
	return nil
}

// awaitEvents gives our consumer the time to read what is there.
func (h *show) awaitEvents(ctx context.Context) {
	within, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	read := -1
	_ = every(within, time.Second, func() bool {
		h.eyes.mu.Lock()
		defer h.eyes.mu.Unlock()
		done := h.eyes.read == read
		read = h.eyes.read
		return done
	})
}
