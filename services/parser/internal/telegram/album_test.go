package telegram_test

import (
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tidemark/tidemark/services/parser/internal/ingest"
	"github.com/tidemark/tidemark/services/parser/internal/ingest/ingesttest"
	"github.com/tidemark/tidemark/services/parser/internal/postgres"
	"github.com/tidemark/tidemark/services/parser/tgsim"
	"github.com/tidemark/tidemark/services/parser/tgsim/world"
)

// The parts of an album are messages of their own. Wherever a page or a run ends between them, all are stored, and all say which album they belong to.
func TestAlbumsAreWholeAcrossPagesAndRuns(t *testing.T) {
	t.Parallel()
	r := newRig(t, tgsim.Spec{Seed: 21, Channels: 2, Messages: 3000})
	p, _, _ := r.reading()
	store := postgres.NewPosts(r.db, ingesttest.EncodeLabel, func() {})
	ingester := ingest.New(p, store, time.Now)
	for name, dir := range map[string]ingest.Direction{"channel_1": ingest.Up, "channel_2": ingest.Down} {
		channel := r.resolve(p, name)
		read := func(todo ingest.Range, pages int) []ingest.Range {
			t.Helper()
			got, err := ingester.Parse(t.Context(), ingest.Request{Channel: channel, Dir: dir, Ranges: []ingest.Range{todo}, MaxPages: pages, KnownTop: todo.Last})
			if err != nil {
				t.Fatalf("%s: read %v: %v", name, todo, err)
			}
			return got.Covered
		}
		truth, split := r.truth(name), 0
		for todo := whole(truth); todo.First <= todo.Last; { // a run per page
			edge := read(todo, 1)[0]
			if dir == ingest.Up {
				todo.First = edge.Last + 1
				split += parted(truth, int(edge.Last))
			} else {
				todo.Last = edge.First - 1
				split += parted(truth, int(todo.Last))
			}
		}
		if split == 0 {
			t.Errorf("%s: no page ended within an album: another seed is needed", name)
		}
		r.wantAlbums(store, name)

		middle := r.growAlbum(name)
		fresh := ingest.Range{First: ingest.MessageID(truth.Top) + 1, Last: ingest.MessageID(r.truth(name).Top)}
		early, late := ingest.Range{First: fresh.First, Last: middle}, ingest.Range{First: middle + 1, Last: fresh.Last}
		if dir == ingest.Down {
			early, late = late, early
		}
		read(early, 99)
		read(late, 99)
		r.wantAlbums(store, name)
	}
}

// parted is 1 when an album has parts on both sides of the place behind id.
func parted(truth tgsim.Truth, id int) int {
	i := slices.IndexFunc(truth.Posts, func(p world.Post) bool { return p.ID > id })
	if i <= 0 || truth.Posts[i].Grouped == 0 || truth.Posts[i].Grouped != truth.Posts[i-1].Grouped {
		return 0
	}
	return 1
}

// growAlbum publishes until there is a new album, and answers an id of it that is not its last.
func (r *rig) growAlbum(ref string) ingest.MessageID {
	r.t.Helper()
	for old := r.truth(ref).Top; ; {
		if _, _, err := r.srv.World().Grow(ref, 20); err != nil {
			r.t.Fatal(err)
		}
		for _, p := range r.truth(ref).Posts {
			if p.ID > old && parted(r.truth(ref), p.ID) == 1 {
				return ingest.MessageID(p.ID)
			}
		}
	}
}

// wantAlbums compares all that is stored of a channel with the truth.
func (r *rig) wantAlbums(store ingest.Reader, ref string) {
	r.t.Helper()
	truth := r.truth(ref)
	stored, err := store.List(r.t.Context(), ingest.Query{Channel: ingest.ChannelID(truth.ID), Limit: 10_000})
	if err != nil {
		r.t.Fatal(err)
	}
	if diff := gocmp.Diff(plainTruth(truth.Posts), plainPosts(stored)); diff != "" {
		r.t.Errorf("%s: want -, got +:\n%s", ref, diff)
	}
}
