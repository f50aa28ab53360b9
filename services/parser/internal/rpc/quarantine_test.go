package rpc

import (
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"

	parserv1 "github.com/tidemark/tidemark/gen/tidemark/parser/v1"
	typev1 "github.com/tidemark/tidemark/gen/tidemark/type/v1"
	kitrpc "github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/services/parser/internal/ingest"
	"github.com/tidemark/tidemark/services/parser/internal/ingest/ingesttest"
)

// poisoned is a store with messages of the channel in quarantine.
func poisoned(t *testing.T, ids ...ingest.Unreadable) *ingesttest.Memory {
	t.Helper()
	store := ingesttest.NewMemory()
	for range 2 {
		page := ingest.Page{Unreadable: ids, Covered: ingest.Range{First: 1, Last: 30}}
		if _, err := store.SavePage(t.Context(), channel, page, ingesttest.Epoch); err != nil {
			t.Fatal(err)
		}
	}
	return store
}

// serverOf is a parser over a source and a store, in this process.
func serverOf(source ingest.Source, store *ingesttest.Memory) *ParserServer {
	return NewParserServer(source, ingest.New(source, store, time.Now), slog.New(slog.DiscardHandler), NewMetrics(prometheus.NewRegistry()))
}

// Of a message whose id nobody can tell, all ids that it can have are read.
func TestRetryReadsAllIDsThatAMessageCanHave(t *testing.T) {
	t.Parallel()
	w := world(30)
	for id := ingest.MessageID(5); id <= 9; id++ {
		delete(w.Messages, id)
	}
	w.Messages[8] = ingesttest.Message{}
	c := serve(t, w, poisoned(t, ingest.Unreadable{Message: 5, Last: 9}))
	got, err := c.quarantine.RetryQuarantined(t.Context(), &parserv1.RetryQuarantinedRequest{ChannelId: 42, MessageIds: []int64{5}})
	if err != nil || len(got.GetResults()) != 1 || got.GetResults()[0].GetOutcome() != parserv1.RetryOutcome_RETRY_OUTCOME_RESTORED {
		t.Errorf("got %v, %v, want it restored", got, err)
	}
	if _, err := c.posts.GetPost(t.Context(), &parserv1.GetPostRequest{ChannelId: 42, MessageId: 8}); err != nil {
		t.Errorf("the message that it was: %v", err)
	}
}

// The account may be another parser's; the store is everyone's.
func TestRetryAsksWhoeverHoldsTheAccount(t *testing.T) {
	t.Parallel()
	store := poisoned(t, ingest.Unreadable{Message: 5})
	f := forwarder(t, serverOf(failing{ingest.ErrElsewhere}, store), reachable(t, serverOf(world(30), store)))
	got, err := NewQuarantineServer(store, store, f).RetryQuarantined(t.Context(), &parserv1.RetryQuarantinedRequest{ChannelId: 42})
	if err != nil || len(got.GetResults()) != 1 || got.GetResults()[0].GetOutcome() != parserv1.RetryOutcome_RETRY_OUTCOME_RESTORED {
		t.Errorf("got %v, %v, want it restored", got, err)
	}
}

func TestRetryThatCannotAsk(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err    error
		code   codes.Code
		reason string
		wait   time.Duration
	}{
		"a flood":     {&ingest.FloodError{Wait: time.Minute}, codes.ResourceExhausted, "FLOOD_WAIT", time.Minute},
		"no account":  {ingest.ErrNoAccount, codes.FailedPrecondition, "NO_ACCOUNT", 0},
		"unreachable": {ingest.ErrUnreachable, codes.Unavailable, "TELEGRAM_UNREACHABLE", 0},
	} {
		store := poisoned(t, ingest.Unreadable{Message: 5})
		c := serve(t, failing{tc.err}, store)
		_, err := c.quarantine.RetryQuarantined(t.Context(), &parserv1.RetryQuarantinedRequest{ChannelId: 42})
		wait, _ := kitrpc.RetryAfter(err)
		if status.Code(err) != tc.code || kitrpc.Reason(err) != tc.reason || wait != tc.wait {
			t.Errorf("%s: got %v, reason %q, wait %s", name, err, kitrpc.Reason(err), wait)
		}
		if left, err := store.Quarantined(t.Context(), 0, ingest.Quarantined{}, 9, false); err != nil || len(left) != 1 || left[0].Failures != 2 {
			t.Errorf("%s: got %+v, %v left, want it untouched", name, left, err)
		}
	}
}

func TestTwoStrikesThenQuarantineThenBack(t *testing.T) {
	t.Parallel()
	w := world(30)
	for _, id := range []ingest.MessageID{5, 6, 7, 28} {
		w.Messages[id] = ingesttest.Message{Unreadable: true}
	}
	c := serve(t, w, ingesttest.NewMemory())
	parse := func(first, last int64) *parserv1.ParseChannelResponse {
		t.Helper()
		got, err := c.ParseChannel(t.Context(), &parserv1.ParseChannelRequest{ChannelId: 42, Mode: typev1.ReadMode_READ_MODE_CATCH_UP, Ranges: ids(first, last)})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	first := parse(1, 30)
	want := []*typev1.IdRange{{First: 1, Last: 4}, {First: 8, Last: 27}, {First: 29, Last: 30}}
	if diff := cmp.Diff(first.GetCovered(), want, protocmp.Transform()); diff != "" || first.GetMessagesQuarantined() != 0 || first.GetNext() != parserv1.ParseNext_PARSE_NEXT_MORE {
		t.Errorf("first: got %v, want all but what failed covered, and more to do", first)
	}
	if got := parse(5, 7); len(got.GetCovered()) != 1 || got.GetMessagesQuarantined() != 3 || got.GetNext() != parserv1.ParseNext_PARSE_NEXT_DONE {
		t.Errorf("second: got %v, want three in quarantine, covered", got)
	}
	var listed []int64
	list := &parserv1.ListQuarantinedRequest{ChannelId: 42, PageSize: 2}
	for {
		got, err := c.quarantine.ListQuarantined(t.Context(), list)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range got.GetMessages() {
			if m.GetProblem() != "made up" || m.GetFailures() != 2 || m.GetFirstFailedAt() == nil || m.GetLastFailedAt() == nil || m.GetRaw() != nil {
				t.Errorf("listed %v", m)
			}
			if m.GetLastMessageId() != m.GetMessageId() {
				t.Errorf("listed %v, want a message whose id is told", m)
			}
			listed = append(listed, m.GetMessageId())
		}
		if list.PageToken = got.GetNextPageToken(); list.PageToken == "" {
			break
		}
	}
	if !cmp.Equal(listed, []int64{5, 6, 7}) {
		t.Errorf("listed %v, want 5 to 7: one strike is none", listed)
	}
	w.Messages[5] = ingesttest.Message{}
	delete(w.Messages, 6)
	got, err := c.quarantine.RetryQuarantined(t.Context(), &parserv1.RetryQuarantinedRequest{ChannelId: 42, MessageIds: []int64{7, 5, 6, 6, 1, 28}})
	if err != nil {
		t.Fatal(err)
	}
	results := []*parserv1.RetriedMessage{
		{MessageId: 5, Outcome: parserv1.RetryOutcome_RETRY_OUTCOME_RESTORED}, {MessageId: 6, Outcome: parserv1.RetryOutcome_RETRY_OUTCOME_GONE},
		{MessageId: 7, Outcome: parserv1.RetryOutcome_RETRY_OUTCOME_FAILED},
	}
	if diff := cmp.Diff(got.GetResults(), results, protocmp.Transform()); diff != "" {
		t.Errorf("retried (-got +want):\n%s", diff)
	}
	if post, err := c.posts.GetPost(t.Context(), &parserv1.GetPostRequest{ChannelId: 42, MessageId: 5}); err != nil || post.GetPost().GetText() == "" {
		t.Errorf("got %v, %v, want the post that was restored", post, err)
	}
	if all, err := c.quarantine.RetryQuarantined(t.Context(), &parserv1.RetryQuarantinedRequest{ChannelId: 42}); err != nil || len(all.GetResults()) != 1 {
		t.Errorf("got %v, %v, want the one that is left", all, err)
	}
	many := make([]int64, 101)
	if _, err := c.quarantine.RetryQuarantined(t.Context(), &parserv1.RetryQuarantinedRequest{ChannelId: 42, MessageIds: many}); kitrpc.Reason(err) != "INVALID_FIELD" {
		t.Errorf("got %v for too many ids", err)
	}
}
