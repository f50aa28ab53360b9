package telegram_test

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tidemark/tidemark/services/parser/internal/account"
	"github.com/tidemark/tidemark/services/parser/internal/ingest"
	"github.com/tidemark/tidemark/services/parser/tgsim"
	"github.com/tidemark/tidemark/services/parser/tgsim/fault"
	"github.com/tidemark/tidemark/services/parser/tgsim/world"
)

// plain is what a post and the truth have in common.
type plain struct {
	ID      int
	Date    time.Time
	Edited  time.Time
	Text    string
	Grouped int64
	Views   int
}

func plainPosts(posts []ingest.Post) []plain {
	out := make([]plain, len(posts))
	for i, p := range posts {
		out[i] = plain{int(p.Message), p.PostedAt, p.EditedAt, p.Text, p.Album, 0}
		if p.Views != nil {
			out[i].Views = int(*p.Views)
		}
	}
	slices.SortFunc(out, func(a, b plain) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

func plainTruth(posts []world.Post) []plain {
	out := make([]plain, len(posts))
	for i, p := range posts {
		out[i] = plain{p.ID, p.Date, p.Edited, p.Text, p.Grouped, p.Views}
	}
	return out
}

func whole(t tgsim.Truth) ingest.Range { return ingest.Range{First: 1, Last: ingest.MessageID(t.Top)} }

func TestPagesHoldTheWholeChannelBothWays(t *testing.T) {
	t.Parallel()
	r := newRig(t, tgsim.Spec{Seed: 3, Messages: 1234})
	p, _, _ := r.reading()
	truth := r.truth(news)
	channel := r.resolve(p, news)
	for name, dir := range map[string]ingest.Direction{"up": ingest.Up, "down": ingest.Down} {
		r.srv.ResetRequests()
		posts, unreadable, pages := readAll(t, p, channel, whole(truth), dir)
		if diff := gocmp.Diff(plainTruth(truth.Posts), plainPosts(posts)); diff != "" {
			t.Errorf("%s: want -, got +:\n%s", name, diff)
		}
		if n := r.srv.Requests()["messages.getHistory"]; n > pages+2 {
			t.Errorf("%s: %d requests for %d pages", name, n, pages)
		}
		if len(unreadable) > 0 {
			t.Errorf("%s: %d messages are unreadable", name, len(unreadable))
		}
		if most := len(truth.Posts)/99 + len(truth.Service)/99 + 4; pages > most {
			t.Errorf("%s: took %d pages, want at most %d", name, pages, most)
		}
	}
}

func TestPageOfAHoleAndAtTheTop(t *testing.T) {
	t.Parallel()
	r := newRig(t, tgsim.Spec{Seed: 4, Messages: 300})
	p, _, _ := r.reading()
	channel := r.resolve(p, news)
	ids := []int{}
	for id := 100; id <= 220; id++ {
		ids = append(ids, id)
	}
	for id := 280; id <= 300; id++ {
		ids = append(ids, id)
	}
	if _, err := p.Probe(t.Context(), []ingest.ChannelID{channel}); err != nil { // now 300 is known to have existed
		t.Fatal(err)
	}
	if _, err := r.srv.World().Delete(news, ids...); err != nil {
		t.Fatal(err)
	}
	for _, within := range []ingest.Range{{First: 100, Last: 220}, {First: 150, Last: 160}, {First: 285, Last: 300}} {
		for _, dir := range []ingest.Direction{ingest.Up, ingest.Down} {
			page, err := p.Page(t.Context(), channel, within, dir)
			if err != nil || page.Covered != within || len(page.Posts) != 0 || page.Messages != 0 || !page.Oldest.IsZero() {
				t.Errorf("%v, direction %d: got %+v, %v, want it proven empty", within, dir, page, err)
			}
		}
	}
	beyond := ingest.Range{First: 301, Last: 400}
	for _, dir := range []ingest.Direction{ingest.Up, ingest.Down} {
		page, err := p.Page(t.Context(), channel, beyond, dir)
		if err != nil || page.Covered != (ingest.Range{}) {
			t.Errorf("beyond the top, direction %d: got %v, %v, want nothing proven: those ids may still come", dir, page.Covered, err)
		}
	}
}

func TestOnePoisonMessageHidesNoOther(t *testing.T) {
	t.Parallel()
	r := newRig(t, tgsim.Spec{Seed: 5, Messages: 400})
	p, _, _ := r.reading()
	truth := r.truth(news)
	channel := r.resolve(p, news)
	poison := []int{truth.Posts[0].ID, truth.Posts[50].ID, truth.Posts[51].ID, truth.Posts[len(truth.Posts)-1].ID}
	r.fault(tgsim.Rule{Kind: fault.Poison, Channel: truth.ID, IDs: poison})
	want := slices.DeleteFunc(plainTruth(truth.Posts), func(p plain) bool { return slices.Contains(poison, p.ID) })
	for name, dir := range map[string]ingest.Direction{"up": ingest.Up, "down": ingest.Down} {
		posts, unreadable, _ := readAll(t, p, channel, whole(truth), dir)
		if diff := gocmp.Diff(want, plainPosts(posts)); diff != "" {
			t.Errorf("%s: want -, got +:\n%s", name, diff)
		}
		var bad []int
		for _, u := range unreadable {
			bad = append(bad, int(u.Message))
			if len(u.Raw) < 16 || u.Problem == "" {
				t.Errorf("%s: message %d comes with %d bytes and problem %q", name, u.Message, len(u.Raw), u.Problem)
			}
		}
		slices.Sort(bad)
		if diff := gocmp.Diff(poison, bad); diff != "" {
			t.Errorf("%s: unreadable, want -, got +:\n%s", name, diff)
		}
	}
	probes, err := p.Probe(t.Context(), []ingest.ChannelID{channel})
	if err != nil || probes[0].Err != nil || int(probes[0].Top) != truth.Top {
		t.Errorf("probe: got %+v, %v", probes, err)
	}
}

func TestNothingIsLostOverABadConnection(t *testing.T) {
	t.Parallel()
	r := newRig(t, tgsim.Spec{Seed: 6, Messages: 1500})
	p, _, _ := r.reading()
	truth := r.truth(news)
	channel := r.resolve(p, news)
	r.fault(tgsim.Rule{Kind: fault.Drop, Method: "messages.getHistory", Channel: truth.ID, Every: 3})
	r.fault(tgsim.Rule{Kind: fault.Fail, Method: "messages.getHistory", Channel: truth.ID, Every: 5, Code: 500, Message: "RPC_CALL_FAIL"})
	r.fault(tgsim.Rule{Kind: fault.Fail, Method: "messages.getHistory", Channel: truth.ID, Every: 7, Code: -503, Message: "Timeout"})
	posts, _, _ := readAll(t, p, channel, whole(truth), ingest.Down)
	if diff := gocmp.Diff(plainTruth(truth.Posts), plainPosts(posts)); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

func TestASlowAnswerIsWaitedFor(t *testing.T) {
	t.Parallel()
	r := newRig(t, tgsim.Spec{Seed: 12, Messages: 50})
	p, _, _ := r.reading()
	truth := r.truth(news)
	channel := r.resolve(p, news)
	r.fault(tgsim.Rule{Kind: fault.Slow, Method: "messages.getHistory", Channel: truth.ID, For: 5 * time.Second})
	posts, _, _ := readAll(t, p, channel, whole(truth), ingest.Down)
	if diff := gocmp.Diff(plainTruth(truth.Posts), plainPosts(posts)); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

func TestProbe(t *testing.T) {
	t.Parallel()
	r := newRig(t, tgsim.Spec{Seed: 7, Channels: 12, Messages: 50})
	r.config.ProbeBatch = 5
	p, _, _ := r.reading()
	var channels []ingest.ChannelID
	want := map[ingest.ChannelID]ingest.MessageID{}
	for i := range 12 {
		name := "channel_" + strconv.Itoa(i+1)
		channels = append(channels, r.resolve(p, name))
		want[channels[i]] = ingest.MessageID(r.truth(name).Posts[len(r.truth(name).Posts)-1].ID)
	}
	check := func(what string, private ...ingest.ChannelID) {
		t.Helper()
		probes, err := p.Probe(t.Context(), channels)
		if err != nil || len(probes) != len(channels) {
			t.Fatalf("%s: got %d probes, %v", what, len(probes), err)
		}
		for i, probe := range probes {
			switch {
			case probe.Channel != channels[i]:
				t.Errorf("%s: probe %d is of channel %d, want %d", what, i, probe.Channel, channels[i])
			case slices.Contains(private, probe.Channel):
				if !errors.Is(probe.Err, ingest.ErrPrivate) {
					t.Errorf("%s: got %+v of a private channel, want ErrPrivate", what, probe)
				}
			case probe.Err != nil || probe.Top < want[probe.Channel]:
				t.Errorf("%s: got %+v, want top %d", what, probe, want[probe.Channel])
			}
		}
	}
	count := func(method string) int { return r.srv.Requests()[method] }

	r.srv.ResetRequests()
	check("all in batches")
	if count("messages.getPeerDialogs") != 3 || count("messages.getHistory") != 0 {
		t.Errorf("got %v, want 3 batches and nothing else", r.srv.Requests())
	}

	if err := r.srv.World().MakePrivate("channel_3"); err != nil {
		t.Fatal(err)
	}
	check("one turned private", channels[2])

	r.fault(tgsim.Rule{Kind: fault.Fail, Method: "messages.getPeerDialogs", Count: -1, Code: 400, Message: "METHOD_NOT_IMPLEMENTED"})
	r.srv.ResetRequests()
	check("batches are not served", channels[2])
	check("nor asked for again", channels[2])
	if count("messages.getPeerDialogs") != 1 {
		t.Errorf("got %v, want one try of the batch", r.srv.Requests())
	}
}

func TestAPrivateChannelIsAnErrorOfItsOwn(t *testing.T) {
	t.Parallel()
	r := newRig(t, tgsim.Spec{Seed: 8, Channels: 2, Messages: 20})
	p, _, _ := r.reading()
	one, two := r.resolve(p, "channel_1"), r.resolve(p, "channel_2")
	r.fault(tgsim.Rule{Kind: fault.Fail, Method: "messages.getHistory", Channel: int64(one), Count: -1, Code: 400, Message: "CHANNEL_PRIVATE"})
	if _, err := p.Page(t.Context(), one, ingest.Range{First: 1, Last: 20}, ingest.Up); !errors.Is(err, ingest.ErrPrivate) {
		t.Errorf("got %v, want ErrPrivate", err)
	}
	if _, err := p.Page(t.Context(), two, ingest.Range{First: 1, Last: 20}, ingest.Up); err != nil {
		t.Errorf("the other channel: %v", err)
	}
}

func TestResolveAsksOncePerUsernameEver(t *testing.T) {
	t.Parallel()
	r := newRig(t, tgsim.Spec{Seed: 9, Channels: 3, Messages: 20, Private: 1})
	p, _, stop := r.reading()
	truth := r.truth(news)
	for range 3 {
		c, err := p.Resolve(t.Context(), ingest.Ref{Username: news})
		if err != nil || c != (ingest.Channel{ID: ingest.ChannelID(truth.ID), Username: news, Title: truth.Title}) {
			t.Fatalf("got %+v, %v", c, err)
		}
		if _, err := p.Resolve(t.Context(), ingest.Ref{ID: c.ID}); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	again, _ := r.pool()
	if _, err := again.Resolve(t.Context(), ingest.Ref{Username: news}); err != nil {
		t.Fatal(err)
	}
	if n := r.srv.Requests()["contacts.resolveUsername"]; n != 1 {
		t.Errorf("telegram was asked %d times, want once", n)
	}
	if _, err := again.Page(t.Context(), ingest.ChannelID(truth.ID), whole(truth), ingest.Up); err != nil {
		t.Errorf("read with the access hash of before: %v", err)
	}
	for name, want := range map[string]error{"nobody_here": ingest.ErrUnknown, "1bad": ingest.ErrUnknown} {
		if _, err := again.Resolve(t.Context(), ingest.Ref{Username: name}); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
	}
}

func TestResolveByIDLooksThroughTheDialogsOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, tgsim.Spec{Seed: 10, Channels: 130, Messages: 5, Private: 130})
	p, _, _ := r.reading()
	for _, id := range r.srv.World().Channels() {
		if _, err := p.Resolve(t.Context(), ingest.Ref{ID: ingest.ChannelID(id)}); err != nil {
			t.Fatalf("channel %d: %v", id, err)
		}
	}
	if _, err := p.Resolve(t.Context(), ingest.Ref{ID: 999}); !errors.Is(err, ingest.ErrNotMember) {
		t.Errorf("got %v for a stranger, want ErrNotMember", err)
	}
	if n := r.srv.Requests()["messages.getDialogs"]; n > 3 {
		t.Errorf("got %d requests for dialogs, want one sweep", n)
	}
	if _, err := p.Page(t.Context(), 999, ingest.Range{First: 1, Last: 5}, ingest.Up); !errors.Is(err, ingest.ErrNotMember) {
		t.Errorf("page: got %v for a stranger, want ErrNotMember", err)
	}
}

func TestAStaleAccessHashIsRenewedOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, tgsim.Spec{Seed: 11, Messages: 20})
	p, _, _ := r.reading()
	id := account.ID(r.srv.World().Accounts()[0].ID)
	truth := r.truth(news)
	wrong := []account.Peer{{Account: id, Channel: truth.ID, AccessHash: 1, Username: news, ResolvedAt: end}}
	if err := r.store().SavePeers(t.Context(), wrong); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Page(t.Context(), ingest.ChannelID(truth.ID), whole(truth), ingest.Up); err != nil {
		t.Errorf("got %v, want the hash renewed by the username", err)
	}
	if n := r.srv.Requests()["contacts.resolveUsername"]; n != 1 {
		t.Errorf("telegram was asked %d times for the name, want once", n)
	}
}
