package e2e

import (
	"fmt"
	"testing"
	"time"

	parserv1 "github.com/tidemark/tidemark/gen/tidemark/parser/v1"
	schedulerv1 "github.com/tidemark/tidemark/gen/tidemark/scheduler/v1"
	typev1 "github.com/tidemark/tidemark/gen/tidemark/type/v1"
	watermarkv1 "github.com/tidemark/tidemark/gen/tidemark/watermark/v1"
	"github.com/tidemark/tidemark/services/parser/tgsim"
	"github.com/tidemark/tidemark/services/parser/tgsim/fault"
)

func TestAChannelTurnedPrivateStopsNobodyElse(t *testing.T) {
	h := build(t, tgsim.Spec{Seed: 11, Channels: 5, Messages: 60, End: end, Joined: func(int) bool { return false }})
	private, others := h.names()[2], append(h.names()[:2], h.names()[3:]...)
	h.follow(append(others, private)...)
	h.complete(append(others, private)...)
	id := h.truth(private).ID
	if err := h.world.MakePrivate(private); err != nil {
		t.Fatal(err)
	}
	for _, name := range others {
		if _, _, err := h.world.Grow(name, 20); err != nil {
			t.Fatal(err)
		}
	}
	h.eventually(func() string {
		got, err := h.channels.GetChannel(t.Context(), &schedulerv1.GetChannelRequest{ChannelId: id})
		if err != nil {
			t.Fatal(err)
		}
		if c := got.GetChannel(); c.GetState() != schedulerv1.ChannelState_CHANNEL_STATE_BLOCKED || c.GetBlockedReason() != "CHANNEL_PRIVATE" {
			return "BLOCKED for CHANNEL_PRIVATE, is " + c.GetState().String() + " " + c.GetBlockedReason()
		}
		return ""
	})
	if got := h.coverage(id).GetWatermark(); got.GetState() != watermarkv1.WatermarkState_WATERMARK_STATE_BLOCKED {
		t.Errorf("the watermark says %s, want BLOCKED", got.GetState())
	}
	h.complete(others...)
}

func TestRedisMayBeWipedAtAnyMoment(t *testing.T) {
	h := build(t, tgsim.Spec{Seed: 12, Channels: 3, Messages: 1200, End: end})
	h.follow(h.names()...)
	first := h.truth(h.names()[0]).ID
	for _, share := range []int64{100, 500} {
		h.eventually(func() string {
			if h.coverage(first).GetCoveredCount() < share {
				return "the beginning"
			}
			return ""
		})
		if err := h.redis.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
	h.eventually(func() string {
		for _, name := range h.names() {
			if truth := h.truth(name); h.coverage(truth.ID).GetCoveredCount() != int64(truth.Last) {
				runs, _ := h.runs.ListRuns(t.Context(), &schedulerv1.ListRunsRequest{ChannelId: truth.ID, PageSize: 3})
				ch, _ := h.channels.GetChannel(t.Context(), &schedulerv1.GetChannelRequest{ChannelId: truth.ID})
				return fmt.Sprintf("coverage of @%s: %v, last runs %v, channel %v", name, h.coverage(truth.ID).GetHoles(), runs.GetRuns(), ch)
			}
		}
		return ""
	})
	for _, name := range h.names() { // every post is in Postgres, and what came after the last wipe still passes
		truth := h.truth(name)
		if got := len(h.rows(truth.ID)); got != len(truth.Posts) {
			t.Errorf("@%s: got %d posts, want %d", name, got, len(truth.Posts))
		}
		if _, _, err := h.world.Grow(name, 30); err != nil {
			t.Fatal(err)
		}
		before := len(truth.Posts)
		h.eventually(func() string {
			if fresh := h.truth(name).Posts[before:]; len(h.events(truth.ID)) < len(fresh) {
				return "the events of the new posts"
			}
			return ""
		})
	}
}

// A flood of 70 s is longer than is waited inline: it is an outcome, a state of the account that survives a restart, and nothing is lost.
func TestALongFloodIsAStateAndThenOver(t *testing.T) {
	h := build(t, tgsim.Spec{Seed: 13, Messages: 700, End: end})
	name := h.names()[0]
	if err := h.telegram.Faults().Add(tgsim.Rule{Kind: fault.Flood, Method: "messages.getHistory", After: 3, For: 70 * time.Second}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	h.follow(name)
	h.eventually(func() string {
		accounts, err := h.accounts.ListAccounts(t.Context(), &parserv1.ListAccountsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if a := accounts.GetAccounts()[0]; a.GetState() != parserv1.AccountState_ACCOUNT_STATE_FLOODED || a.GetBlockedUntil().AsTime().Before(began.Add(50*time.Second)) {
			return "the account FLOODED for a minute, is " + a.GetState().String()
		}
		return ""
	})
	h.eventually(func() string {
		runs, err := h.runs.ListRuns(t.Context(), &schedulerv1.ListRunsRequest{Outcome: schedulerv1.RunOutcome_RUN_OUTCOME_WAITING})
		if err != nil {
			t.Fatal(err)
		}
		if len(runs.GetRuns()) == 0 || runs.GetRuns()[0].GetErrorReason() != "FLOOD_WAIT" {
			return "a run that WAITs for the flood"
		}
		return ""
	})
	h.halt()
	asked := h.telegram.Requests()["messages.getHistory"]
	h.start()
	if testing.Short() {
		return // what follows waits for the flood to pass, a minute
	}
	for time.Since(began) < 60*time.Second {
		if got := h.telegram.Requests()["messages.getHistory"]; got != asked {
			t.Fatalf("history was asked %d times during the flood, after a restart", got-asked)
		}
		<-time.After(time.Second)
	}
	h.complete(name)
}

func TestDroppedConnectionsAndSlowAnswersLoseNothing(t *testing.T) {
	h := build(t, tgsim.Spec{Seed: 14, Channels: 3, Messages: 900, End: end})
	for _, rule := range []tgsim.Rule{{Kind: fault.Drop, Every: 9, Count: 8}, {Kind: fault.Slow, Method: "messages.getHistory", Every: 5, For: 300 * time.Millisecond, Count: 10}} {
		if err := h.telegram.Faults().Add(rule); err != nil {
			t.Fatal(err)
		}
	}
	h.follow(h.names()...)
	h.complete(h.names()...)
}

func TestAMessageThatCannotBeDecodedStopsNoPage(t *testing.T) {
	h := build(t, tgsim.Spec{Seed: 15, Messages: 300, End: end})
	name := h.names()[0]
	truth := h.truth(name)
	poison := truth.Posts[len(truth.Posts)/2].ID
	if err := h.telegram.Faults().Add(tgsim.Rule{Kind: fault.Poison, Channel: truth.ID, IDs: []int{poison}}); err != nil {
		t.Fatal(err)
	}
	h.follow(name)
	h.eventually(func() string {
		if got := h.coverage(truth.ID); got.GetCoveredCount() != int64(truth.Last) {
			return "full coverage"
		}
		return ""
	})
	got := h.rows(truth.ID)
	if len(got) != len(truth.Posts)-1 {
		t.Errorf("got %d posts, want all %d but the poisoned one", len(got), len(truth.Posts))
	}
	for _, r := range got {
		if r.ID == int64(poison) {
			t.Errorf("the poisoned message %d is stored as a post", poison)
		}
	}
	listed, err := h.quarantine.ListQuarantined(t.Context(), &parserv1.ListQuarantinedRequest{ChannelId: truth.ID, WithRaw: true})
	if err != nil || len(listed.GetMessages()) != 1 || listed.GetMessages()[0].GetMessageId() != int64(poison) || len(listed.GetMessages()[0].GetRaw()) == 0 {
		t.Fatalf("got %v, %v in quarantine, want the poisoned message with its raw bytes", listed, err)
	}
	h.eventually(func() string {
		for _, e := range h.events(truth.ID) {
			if e.GetMessageQuarantined().GetProblem() != "" && e.GetMessageId() == int64(poison) {
				return ""
			}
		}
		return "the event of the quarantine"
	})
	h.telegram.Faults().Clear()
	retried, err := h.quarantine.RetryQuarantined(t.Context(), &parserv1.RetryQuarantinedRequest{ChannelId: truth.ID})
	if err != nil || len(retried.GetResults()) != 1 || retried.GetResults()[0].GetOutcome() != parserv1.RetryOutcome_RETRY_OUTCOME_RESTORED {
		t.Fatalf("got %v, %v, want it restored", retried, err)
	}
	h.same(name)
}

// rewind takes coverage back, as an operator does.
func (h *house) rewind(channel, first, last int64) {
	h.Helper()
	mark := h.coverage(channel).GetWatermark()
	_, err := h.marks.RewindWatermark(h.Context(), &watermarkv1.RewindWatermarkRequest{
		ChannelId: channel, Ranges: []*typev1.IdRange{{First: first, Last: last}}, Reason: "test", Etag: mark.GetEtag(),
	})
	if err != nil {
		h.Fatalf("rewind: %v", err)
	}
}

// The access hashes of channels are an account's own: with the last account they are gone, and the next one must find the channels by their names.
func TestAnotherLoginReadsOn(t *testing.T) {
	for name, joined := range map[string]bool{"a member of the channels": true, "a stranger to them": false} {
		t.Run(name, func(t *testing.T) {
			h := build(t, tgsim.Spec{Seed: 61, Channels: 2, Messages: 80, End: end, Joined: func(int) bool { return joined }})
			h.follow(h.names()...)
			h.complete(h.names()...)
			if _, err := h.accounts.LogoutAccount(t.Context(), &parserv1.LogoutAccountRequest{AccountId: h.world.Accounts()[0].ID}); err != nil {
				t.Fatal(err)
			}
			h.login()
			for _, name := range h.names() {
				if _, err := h.world.Post(name, tgsim.Draft{Text: "for the next account"}); err != nil {
					t.Fatal(err)
				}
				h.becomes(name)
			}
		})
	}
}
