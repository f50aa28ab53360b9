package e2e

import (
	"testing"

	schedulerv1 "github.com/tidemark/tidemark/gen/tidemark/scheduler/v1"
	typev1 "github.com/tidemark/tidemark/gen/tidemark/type/v1"
	"github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/services/parser/tgsim"
)

func TestEditsAndDeletionsOnTheNewestPageAreSeenAtTheNextLook(t *testing.T) {
	h := build(t, tgsim.Spec{Seed: 21, Messages: 300, End: end})
	name := h.names()[0]
	h.follow(name)
	h.complete(name)
	posts := h.truth(name).Posts
	n := len(posts)
	h.halt() // whoever reads next has never seen the newest message
	if err := h.world.Edit(name, posts[n-7].ID, "changed"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.world.Delete(name, posts[n-1].ID, posts[n-5].ID); err != nil {
		t.Fatal(err)
	}
	h.start()
	h.becomes(name)
}

func TestWhatIsDeepIsReadAgainWhenAskedFor(t *testing.T) {
	h := build(t, tgsim.Spec{Seed: 22, Messages: 700, End: end})
	name := h.names()[0]
	id := h.truth(name).ID
	if _, err := h.runs.RereadChannel(t.Context(), &schedulerv1.RereadChannelRequest{ChannelId: id}); rpc.Reason(err) != "CHANNEL_NOT_FOLLOWED" {
		t.Errorf("backfill of a channel that is not followed: got %v", err)
	}
	h.follow(name)
	h.complete(name)
	posts := h.truth(name).Posts
	if err := h.world.Edit(name, posts[3].ID, "changed"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.world.Delete(name, posts[90].ID, posts[200].ID); err != nil {
		t.Fatal(err)
	}
	if _, err := h.runs.RereadChannel(t.Context(), &schedulerv1.RereadChannelRequest{ChannelId: id, Ids: &typev1.IdRange{First: 9000, Last: 9001}}); rpc.Reason(err) != "INVALID_FIELD" {
		t.Errorf("backfill of what is not covered: got %v", err)
	}
	got, err := h.runs.RereadChannel(t.Context(), &schedulerv1.RereadChannelRequest{ChannelId: id})
	if err != nil || got.GetIds().GetFirst() != 1 || got.GetIds().GetLast() < 600 {
		t.Fatalf("got %v, %v, want all of the channel waiting", got, err)
	}
	h.becomes(name)
}

func TestAClearedHistoryIsSeen(t *testing.T) {
	h := build(t, tgsim.Spec{Seed: 23, Messages: 500, End: end})
	name := h.names()[0]
	h.follow(name)
	h.complete(name)
	if err := h.world.Clear(name); err != nil {
		t.Fatal(err)
	}
	h.becomes(name)
	if _, _, err := h.world.Grow(name, 20); err != nil {
		t.Fatal(err)
	}
	h.becomes(name)
}

func TestIDsThatBeginAnewAreReadFromTheStart(t *testing.T) {
	h := build(t, tgsim.Spec{Seed: 24, Messages: 250, End: end})
	name := h.names()[0]
	h.follow(name)
	h.complete(name)
	h.halt() // whoever reads next has never seen the old history
	if err := h.world.Restart(name); err != nil {
		t.Fatal(err)
	}
	for range 30 {
		if _, err := h.world.Post(name, tgsim.Draft{Text: "of the new history"}); err != nil {
			t.Fatal(err)
		}
	}
	h.start()
	h.becomes(name)
	if _, err := h.world.Post(name, tgsim.Draft{Text: "and it goes on"}); err != nil {
		t.Fatal(err)
	}
	h.becomes(name)
	h.eventually(func() string { // the mark follows the data
		if got := h.coverage(h.truth(name).ID).GetWatermark(); got.GetGeneration() != 2 || got.GetHeadId() != 31 {
			return "a second generation that ends at 31, instead of " + got.String()
		}
		return ""
	})
}
