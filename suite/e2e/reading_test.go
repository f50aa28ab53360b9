package e2e

import (
	"fmt"
	"testing"
	"time"

	schedulerv1 "github.com/tidemark/tidemark/gen/tidemark/scheduler/v1"
	"github.com/tidemark/tidemark/services/parser/tgsim"
)

var end = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestFirstReadBringsAllOfEveryChannel(t *testing.T) {
	h := build(t, tgsim.Spec{Seed: 1, Channels: 4, Messages: 450, End: end})
	h.follow(h.names()...)
	h.complete(h.names()...)
}

func TestNewPostsComeIn(t *testing.T) {
	h := build(t, tgsim.Spec{Seed: 2, Messages: 120, End: end})
	name := h.names()[0]
	h.follow(name)
	h.complete(name)
	for range 3 {
		if _, _, err := h.world.Grow(name, 70); err != nil {
			t.Fatal(err)
		}
		h.complete(name)
	}
}

func TestPostsOfOneSecondAreAllRead(t *testing.T) {
	h := build(t, tgsim.Spec{Seed: 3, Messages: 5, End: end, Now: func() time.Time { return end.Add(time.Hour) }})
	name := h.names()[0]
	h.follow(name)
	h.complete(name)
	for i := range 130 {
		if _, err := h.world.Post(name, tgsim.Draft{Text: fmt.Sprintf("one of many in this second: %d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	h.complete(name)
}

// A gap in the middle of what is covered is read whatever time has passed: here it is made by taking coverage back.
func TestAGapIsFilled(t *testing.T) {
	h := build(t, tgsim.Spec{Seed: 4, Messages: 500, End: end})
	name := h.names()[0]
	h.follow(name)
	h.complete(name)
	h.rewind(h.truth(name).ID, 120, 260)
	h.complete(name)
	h.eventually(func() string {
		runs, err := h.runs.ListRuns(t.Context(), &schedulerv1.ListRunsRequest{ChannelId: h.truth(name).ID})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range runs.GetRuns() {
			if r.GetMode().String() == "READ_MODE_CATCH_UP" && r.GetPostsNew() == 0 {
				return "" // read again, and nothing stored or sent twice
			}
		}
		return "a CATCH_UP run that stored nothing anew"
	})
}

func TestARestartInTheMiddleGoesOn(t *testing.T) {
	h := build(t, tgsim.Spec{Seed: 5, Channels: 3, Messages: 3000, End: end})
	h.follow(h.names()...)
	first := h.truth(h.names()[0]).ID
	h.eventually(func() string {
		if h.coverage(first).GetCoveredCount() == 0 {
			return "the first page"
		}
		return ""
	})
	h.halt()
	before := h.telegram.Requests()
	h.start()
	h.complete(h.names()...)
	if got := h.telegram.Requests()["contacts.resolveUsername"]; got != before["contacts.resolveUsername"] {
		t.Errorf("usernames were asked again after the restart: %d requests, %d before", got, before["contacts.resolveUsername"])
	}
	if got := h.telegram.Requests()["auth.sendCode"]; got != 1 {
		t.Errorf("%d codes were sent, want one login for both lives", got)
	}
}

func TestARemovedChannelIsReadNoMore(t *testing.T) {
	h := build(t, tgsim.Spec{Seed: 6, Channels: 2, Messages: 50, End: end})
	gone, kept := h.names()[0], h.names()[1]
	h.follow(gone, kept)
	h.complete(gone, kept)
	if _, err := h.channels.RemoveChannel(t.Context(), &schedulerv1.RemoveChannelRequest{ChannelId: h.truth(gone).ID}); err != nil {
		t.Fatal(err)
	}
	covered := h.coverage(h.truth(gone).ID).GetCoveredCount()
	for _, name := range []string{gone, kept} {
		if _, _, err := h.world.Grow(name, 5); err != nil {
			t.Fatal(err)
		}
	}
	h.complete(kept)
	if got := h.coverage(h.truth(gone).ID).GetCoveredCount(); got != covered {
		t.Errorf("got %d ids covered of the removed channel, want the %d from before", got, covered)
	}
	h.follow(gone)
	h.complete(gone)
}
