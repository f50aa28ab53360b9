package e2e

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	eventv1 "github.com/tidemark/tidemark/gen/tidemark/event/v1"
	"github.com/tidemark/tidemark/services/parser/tgsim"
	"github.com/tidemark/tidemark/services/parser/tgsim/world"
	"github.com/tidemark/tidemark/suite/truth"
)

// same fails on any difference between what Telegram has and what Postgres and Redis hold of a channel.
func (h *house) same(name string) {
	h.Helper()
	is := h.truth(name)
	if diff := h.difference(is); diff != "" {
		h.Errorf("@%s in Postgres: %s", name, diff)
	}
	h.eventually(func() string {
		created := 0
		for _, e := range h.events(is.ID) {
			if e.GetPostCreated() != nil {
				created++
			}
		}
		if created < len(is.Posts) {
			return fmt.Sprintf("@%s: %d of %d events are in Redis", name, created, len(is.Posts))
		}
		return ""
	})
	h.sameEvents(name, is.ID, is.Posts)
}

// becomes waits until Postgres holds of a channel exactly what Telegram has.
func (h *house) becomes(name string) {
	h.Helper()
	h.eventually(func() string { return h.difference(h.truth(name)) })
}

// difference is "" when Postgres holds of a channel exactly what Telegram has.
func (h *house) difference(is tgsim.Truth) string {
	h.Helper()
	v := truth.Posts(is.Posts, h.stored(is.ID))
	if v.Same() {
		return ""
	}
	return fmt.Sprintf("%d of %d posts, missing %v, different: %s", v.Present, v.Expected, v.Missing, strings.Join(v.Why, "; "))
}

// stored are the channel's rows, those of deleted posts included.
func (h *house) stored(channel int64) []truth.Row {
	h.Helper()
	db, err := pgx.Connect(h.Context(), h.stores.DatabaseURL.Reveal())
	if err != nil {
		h.Fatal(err)
	}
	defer func() { _ = db.Close(context.WithoutCancel(h.Context())) }()
	rows, err := truth.Rows(h.Context(), db, channel)
	if err != nil {
		h.Fatal(err)
	}
	return rows
}

// rows are those of posts that stand.
func (h *house) rows(channel int64) (rows []truth.Row) {
	h.Helper()
	for _, r := range h.stored(channel) {
		if r.Deleted == nil {
			rows = append(rows, r)
		}
	}
	return rows
}

// events are the channel's entries of the stream, decoded, in the stream's order.
func (h *house) events(channel int64) (events []*eventv1.Event) {
	h.Helper()
	entries, err := h.redis.XRange(h.Context(), stream, "-", "+").Result()
	if err != nil {
		h.Fatal(err)
	}
	for _, entry := range entries {
		var e eventv1.Event
		if err := proto.Unmarshal([]byte(fmt.Sprint(entry.Values["event"])), &e); err != nil {
			h.Fatalf("entry %s: %v", entry.ID, err)
		}
		if plain := fmt.Sprintf("%d %d %s", e.GetChannelId(), e.GetMessageId(), e.GetId()); plain != fmt.Sprintf("%v %v %v", entry.Values["channel"], entry.Values["message"], entry.Values["id"]) {
			h.Errorf("entry %s says %v, its event says %s", entry.ID, entry.Values, plain)
		}
		if e.GetChannelId() == channel {
			events = append(events, &e)
		}
	}
	return events
}

// sameEvents fails unless the stream holds exactly one creation per post, with the post's own text and instant.
func (h *house) sameEvents(name string, channel int64, posts []world.Post) {
	h.Helper()
	created := map[int64]*eventv1.Event{}
	for _, e := range h.events(channel) {
		if e.GetPostCreated() == nil {
			continue
		}
		if created[e.GetMessageId()] != nil {
			h.Errorf("@%s/%d: created twice", name, e.GetMessageId())
		}
		if want := fmt.Sprintf("%d/%d/%d/post.created/", channel, e.GetMessageId(), e.GetRevision()); !strings.HasPrefix(e.GetId(), want) {
			h.Errorf("@%s/%d: got event id %s, want %s and a digest", name, e.GetMessageId(), e.GetId(), want)
		}
		created[e.GetMessageId()] = e
	}
	if len(created) != len(posts) {
		h.Errorf("@%s: %d posts have a creation event, want %d", name, len(created), len(posts))
	}
	for _, p := range posts {
		e := created[int64(p.ID)].GetPostCreated().GetPost()
		if e.GetText() != p.Text || !e.GetPostedAt().AsTime().Equal(p.Date) {
			h.Errorf("@%s/%d: the event says %q at %s, want %q at %s", name, p.ID, e.GetText(), e.GetPostedAt().AsTime(), p.Text, p.Date)
		}
	}
}
