package world_test

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"github.com/gotd/td/tg"
	"pgregory.net/rapid"

	"github.com/tidemark/tidemark/services/parser/tgsim/world"
)

var end = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func build(t interface{ Fatal(...any) }, s world.Spec) *world.World {
	s.End, s.Now = end, func() time.Time { return end.Add(time.Hour) }
	w, err := world.New(s)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// messages are all messages of the first channel, newest first.
func messages(t interface{ Fatal(...any) }, w *world.World, limit int) []*world.Message {
	me, id := world.DefaultAccount().ID, w.Channels()[0]
	page, err := w.History(me, id, w.AccessHash(me, id), world.Query{Limit: limit})
	if err != nil {
		t.Fatal(err)
	}
	return page.Messages
}

func digest(all []*world.Message) (sum uint64) {
	h := fnv.New64a()
	for _, m := range all {
		_, _ = h.Write(m.Body)
	}
	return h.Sum64()
}

func TestSameSeedSameBytes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := world.Spec{Seed: rapid.Uint64().Draw(t, "seed"), Messages: rapid.IntRange(0, 120).Draw(t, "messages")}
		a, b := build(t, s), build(t, s)
		for _, w := range []*world.World{a, b} {
			if _, _, err := w.Grow("channel_1", 30); err != nil {
				t.Fatal(err)
			}
		}
		if digest(messages(t, a, 1000)) != digest(messages(t, b, 1000)) {
			t.Fatal("two worlds of one seed differ")
		}
		s.Seed++
		if c := build(t, s); s.Messages > 2 && digest(messages(t, a, 1000)) == digest(messages(t, c, 1000)) {
			t.Fatal("another seed made the same world")
		}
	})
}

// TestVariety: a world has everything that real channels have, at a likely size.
func TestVariety(t *testing.T) {
	t.Parallel()
	all := messages(t, build(t, world.Spec{Seed: 5, Messages: 5000}), 5000)
	have := map[string]int{}
	size, before := 0, 1<<60
	for _, m := range all {
		size += len(m.Body)
		if m.Date > before {
			t.Fatalf("message %d is newer than the next", m.ID)
		}
		if m.Date == before {
			have["same second"]++
		}
		before = m.Date
		decoded, err := m.Decode()
		if err != nil {
			t.Fatal(err)
		}
		note(have, decoded)
	}
	if all[0].Date != int(end.Unix()) {
		t.Errorf("newest message at %d, want %d", all[0].Date, end.Unix())
	}
	if mean := size / len(all); mean < 550 || mean > 750 {
		t.Errorf("messages have %d bytes, want 600 to 700", mean)
	}
	for _, want := range strings.Fields(`text edited hidden-edit album forward hidden-forward reply reactions custom-reaction paid-reaction views
		comments author silent pinned ttl via messageMediaPhoto messageMediaDocument messageMediaWebPage messageMediaPoll messageMediaGeo
		messageMediaContact messageMediaGiveaway messageEntityBold messageEntityUrl messageEntityTextUrl messageEntityMention
		messageEntityCustomEmoji messageEntitySpoiler messageEntityCode messageEntityPre messageEntityBlockquote
		messageActionChannelCreate messageActionChatEditTitle messageActionChatEditPhoto messageActionPinMessage messageActionSetMessagesTTL`) {
		if have[want] == 0 {
			t.Errorf("nothing with %s among %d messages", want, len(all))
		}
	}
	if have["same second"] == 0 || have["bad entity"] > 0 {
		t.Errorf("same second: %d, entities out of the text: %d", have["same second"], have["bad entity"])
	}
}

// note counts what a message has.
func note(have map[string]int, decoded tg.MessageClass) {
	if s, ok := decoded.(*tg.MessageService); ok {
		have[s.Action.TypeName()]++
		return
	}
	m := decoded.(*tg.Message)
	for name, has := range map[string]bool{
		"text": m.Message != "", "edited": m.EditDate > 0 && !m.EditHide, "hidden-edit": m.EditHide, "album": m.GroupedID != 0,
		"forward": m.FwdFrom.FromID != nil, "hidden-forward": m.FwdFrom.FromName != "", "reply": m.ReplyTo != nil,
		"reactions": len(m.Reactions.Results) > 0, "views": m.Views > 0, "comments": m.Replies.Comments, "author": m.PostAuthor != "",
		"silent": m.Silent, "pinned": m.Pinned, "ttl": m.TTLPeriod > 0, "via": m.ViaBotID != 0,
	} {
		if has {
			have[name]++
		}
	}
	for _, r := range m.Reactions.Results {
		switch r.Reaction.(type) {
		case *tg.ReactionCustomEmoji:
			have["custom-reaction"]++
		case *tg.ReactionPaid:
			have["paid-reaction"]++
		}
	}
	if m.Media != nil {
		have[m.Media.TypeName()]++
	}
	units := utf16.Encode([]rune(m.Message))
	for _, e := range m.Entities {
		have[e.TypeName()]++
		at, n := e.GetOffset(), e.GetLength()
		if at < 0 || n <= 0 || at+n > len(units) {
			have["bad entity"]++
			continue
		}
		said := string(utf16.Decode(units[at : at+n]))
		if _, ok := e.(*tg.MessageEntityCustomEmoji); ok && said != "🦔" || strings.ContainsRune(said, '\uFFFD') {
			have["bad entity"]++
		}
	}
}

func TestAlbums(t *testing.T) {
	t.Parallel()
	groups := map[int64][]*tg.Message{}
	for _, m := range messages(t, build(t, world.Spec{Seed: 6, Messages: 3000}), 3000) {
		if decoded, _ := m.Decode(); decoded != nil {
			if post, ok := decoded.(*tg.Message); ok && post.GroupedID != 0 {
				groups[post.GroupedID] = append(groups[post.GroupedID], post)
			}
		}
	}
	for id, parts := range groups {
		captions := 0
		for i, p := range parts {
			if i > 0 && (p.ID != parts[i-1].ID-1 || p.Date != parts[0].Date) {
				t.Errorf("album %d is not one piece at %d", id, p.ID)
			}
			if p.Message != "" {
				captions++
			}
		}
		if captions != 1 || len(parts) > 10 {
			t.Errorf("album %d: %d parts, %d captions", id, len(parts), captions)
		}
	}
}

// TestChanges: whatever is done to a channel, what it tells of itself fits together, and replaying its events from anywhere ends at the truth.
func TestChanges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := build(t, world.Spec{Seed: 1, Messages: 20})
		me, id := world.DefaultAccount().ID, w.Channels()[0]
		know, pts := snapshot(t, w)
		for range rapid.IntRange(1, 25).Draw(t, "changes") {
			some := rapid.IntRange(1, 40).Draw(t, "id")
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				_, _ = w.Post("channel_1", world.Draft{Text: fmt.Sprint("post ", some)})
			case 1:
				_ = w.Edit("channel_1", some, fmt.Sprint("edit ", some))
			case 2:
				_, _ = w.Delete("channel_1", some, some+1)
			case 3:
				_, _, _ = w.Grow("channel_1", some%5)
			}
		}
		want, top := snapshot(t, w)
		for limit := rapid.IntRange(1, 9).Draw(t, "limit"); pts < top; {
			d, err := w.Since(me, id, w.AccessHash(me, id), pts, limit)
			if err != nil || d.Pts <= pts {
				t.Fatal(err, d.Pts)
			}
			pts = d.Pts
			for _, m := range slices.Concat(d.New, d.Edited) {
				know[m.ID] = string(m.Body)
			}
			for _, id := range d.Deleted {
				delete(know, id)
			}
		}
		if diff := cmp.Diff(want, know); diff != "" {
			t.Fatal(diff)
		}
		truth, err := w.Truth("channel_1")
		if err != nil || len(truth.Posts)+len(truth.Service)+len(truth.Deleted) != truth.Top || len(truth.Posts)+len(truth.Service) != len(want) {
			t.Fatalf("the truth does not add up: %v", err)
		}
	})
}

// snapshot is a channel's messages and pts.
func snapshot(t interface{ Fatal(...any) }, w *world.World) (map[int]string, int) {
	all := map[int]string{}
	for _, m := range messages(t, w, 10_000) {
		all[m.ID] = string(m.Body)
	}
	return all, w.Summaries()[0].Pts
}

func TestNames(t *testing.T) {
	t.Parallel()
	w := build(t, world.Spec{Channels: 2, Messages: 3})
	id := w.Channels()[0]
	for _, ref := range []string{"channel_1", "@Channel_1", fmt.Sprint(id), fmt.Sprint("-100", id)} {
		if truth, err := w.Truth(ref); err != nil || truth.ID != id {
			t.Errorf("%q: %v", ref, err)
		}
	}
	if err := w.Rename("channel_1", "CHANNEL_2"); err == nil {
		t.Error("two channels of one name")
	}
	if err := w.Rename("channel_1", "Another"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Resolve(1, "channel_1"); err == nil {
		t.Error("the old name still resolves")
	}
	if v, err := w.Resolve(1, "another"); err != nil || v.Username != "Another" {
		t.Errorf("the new name: %v, %v", v.Username, err)
	}
}
