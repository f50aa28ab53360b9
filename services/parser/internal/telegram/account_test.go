package telegram_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tidemark/tidemark/services/parser/internal/account"
	"github.com/tidemark/tidemark/services/parser/internal/ingest"
	"github.com/tidemark/tidemark/services/parser/tgsim"
	"github.com/tidemark/tidemark/services/parser/tgsim/fault"
)

const history = "messages.getHistory"

var first = ingest.Range{First: 1, Last: 10}

func TestNoAccount(t *testing.T) {
	t.Parallel()
	r := newRig(t, tgsim.Spec{Messages: 10})
	p, _ := r.pool()
	_, resolve := p.Resolve(t.Context(), ingest.Ref{Username: news})
	_, probe := p.Probe(t.Context(), []ingest.ChannelID{1})
	_, page := p.Page(t.Context(), 1, first, ingest.Up)
	for name, err := range map[string]error{"resolve": resolve, "probe": probe, "page": page} {
		if !errors.Is(err, ingest.ErrNoAccount) {
			t.Errorf("%s: got %v, want ErrNoAccount", name, err)
		}
	}
}

func TestARestartGoesOnWithTheSession(t *testing.T) {
	t.Parallel()
	r := newRig(t, tgsim.Spec{Messages: 10})
	r.fault(tgsim.Rule{Kind: fault.Duplicate})
	p, id, stop := r.reading()
	channel := r.resolve(p, news)
	for range 3 {
		stop()
		var again func()
		p, again = r.pool()
		if _, err := p.Page(t.Context(), channel, first, ingest.Up); err != nil {
			t.Fatal(err)
		}
		stop = again
	}
	if got := r.state(id).State; got != account.Active {
		t.Errorf("got %s, want active", got)
	}
}

func TestASecondProcessWaitsForTheLease(t *testing.T) {
	t.Parallel()
	r := newRig(t, tgsim.Spec{Messages: 10})
	r.fault(tgsim.Rule{Kind: fault.Duplicate}) // two connections with one session would revoke it
	one, id, stop := r.reading()
	channel := r.resolve(one, news)
	two, _ := r.pool()
	if _, err := two.Page(t.Context(), channel, first, ingest.Up); !errors.Is(err, ingest.ErrElsewhere) {
		t.Errorf("got %v while another process reads, want ErrElsewhere", err)
	}
	if err := two.Logout(t.Context(), id); !errors.Is(err, account.ErrLeased) {
		t.Errorf("logout: got %v, want ErrLeased", err)
	}
	if _, err := one.Page(t.Context(), channel, first, ingest.Up); err != nil {
		t.Errorf("the first process: %v", err)
	}
	stop()
	eventually(t, "the second process reads", func() bool {
		_, err := two.Page(t.Context(), channel, first, ingest.Up)
		return err == nil
	})
	if got := r.state(id).State; got != account.Active {
		t.Errorf("got %s, want active", got)
	}
}

func TestALoginElsewhereTakesTheAccountOver(t *testing.T) {
	t.Parallel()
	r := newRig(t, tgsim.Spec{Messages: 10})
	one, _, stop := r.reading()
	channel := r.resolve(one, news)
	two, _ := r.pool()
	r.login(two, phone, code, "")
	if _, err := two.Page(t.Context(), channel, first, ingest.Up); err != nil {
		t.Errorf("the process with the newest login: %v", err)
	}
	stop() // gives back a lease that is lost
	if _, err := two.Page(t.Context(), channel, first, ingest.Up); err != nil {
		t.Errorf("after the other one ended: %v", err)
	}
}

func TestTheWrongSessionKeyStopsTheStart(t *testing.T) {
	t.Parallel()
	r := newRig(t, tgsim.Spec{Messages: 10})
	_, id, stop := r.reading()
	stop()
	right := r.keys
	r.keys = strings.Repeat("cd", 32)
	err := r.open().Run(t.Context())
	var key *account.KeyError
	if !errors.As(err, &key) || key.Account != id || !strings.Contains(err.Error(), "the environment") {
		t.Errorf("got %v, want a KeyError naming the key's source", err)
	}
	r.keys = right
	again, _ := r.pool()
	r.resolve(again, news)
}

func TestShortFloodsAreWaitedInline(t *testing.T) {
	t.Parallel()
	r := newRig(t, tgsim.Spec{Messages: 10})
	p, _, _ := r.reading()
	channel := r.resolve(p, news)
	r.fault(tgsim.Rule{Kind: fault.Flood, Method: history, For: 2 * time.Second})
	began := time.Now()
	if _, err := p.Page(t.Context(), channel, first, ingest.Up); err != nil || time.Since(began) < 2*time.Second {
		t.Errorf("got %v after %v, want a page after 2 s", err, time.Since(began))
	}
	if n := r.srv.Requests()[history]; n != 2 {
		t.Errorf("got %d requests, want 2: none while told to wait", n)
	}
}

func TestALongFloodIsAnAnswerAndOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	r := newRig(t, tgsim.Spec{Messages: 10})
	p, id, stop := r.reading()
	channel := r.resolve(p, news)
	r.fault(tgsim.Rule{Kind: fault.Flood, Method: history, For: 70 * time.Second})
	for range 3 {
		began := time.Now()
		_, err := p.Page(t.Context(), channel, first, ingest.Up)
		f, ok := isFlood(err)
		if !ok || f.Wait < 60*time.Second || f.Wait > 71*time.Second || f.Method != history || time.Since(began) > 3*time.Second {
			t.Fatalf("got %v after %v, want a flood of 70 s at once", err, time.Since(began))
		}
	}
	if until := r.state(id).FloodedUntil(time.Now()); until.Before(time.Now().Add(time.Minute)) {
		t.Errorf("flooded until %v, want in 70 s", until)
	}
	if _, err := p.Probe(t.Context(), []ingest.ChannelID{channel}); err != nil {
		t.Errorf("another method: %v", err)
	}
	stop()
	again, _ := r.pool()
	if _, err := again.Page(t.Context(), channel, first, ingest.Up); err == nil {
		t.Error("got a page after the restart, want the flood")
	} else if _, ok := isFlood(err); !ok {
		t.Errorf("got %v after the restart, want the flood", err)
	}
	if n := r.srv.Requests()[history]; n != 1 {
		t.Errorf("got %d requests, want 1: none while told to wait", n)
	}
}

func TestAnotherAccountReadsWhileOneIsFlooded(t *testing.T) {
	t.Parallel()
	accounts := []tgsim.Account{{ID: 71, Phone: "+10000000071", Code: code, FirstName: "A"}, {ID: 72, Phone: "+10000000072", Code: code, FirstName: "B"}}
	r := newRig(t, tgsim.Spec{Messages: 10, Accounts: accounts})
	p, _ := r.pool()
	r.login(p, accounts[0].Phone, code, "")
	channel := r.resolve(p, news)
	r.login(p, accounts[1].Phone, code, "")
	r.fault(tgsim.Rule{Kind: fault.Flood, Method: history, For: time.Hour})
	for range 3 {
		if _, err := p.Page(t.Context(), channel, first, ingest.Up); err != nil {
			t.Fatal(err)
		}
	}
	by := map[int64]int{}
	for _, q := range r.srv.LastRequests() {
		if q.Method == history {
			by[q.Account]++
		}
	}
	if by[71] != 1 || by[72] != 3 {
		t.Errorf("got %v requests per account, want the flooded one asked once and the other three times", by)
	}
}

func TestTheAccountThatWaitsLessIsAsked(t *testing.T) {
	t.Parallel()
	accounts := []tgsim.Account{{ID: 71, Phone: "+10000000071", Code: code, FirstName: "A"}, {ID: 72, Phone: "+10000000072", Code: code, FirstName: "B"}}
	r := newRig(t, tgsim.Spec{Messages: 10, Accounts: accounts})
	p, _ := r.pool()
	channel := r.truth(news).ID
	for _, a := range accounts {
		id := r.login(p, a.Phone, code, "")
		peer := account.Peer{Account: id, Channel: channel, AccessHash: r.srv.World().AccessHash(a.ID, channel), ResolvedAt: end}
		if err := r.store().SavePeers(t.Context(), []account.Peer{peer}); err != nil {
			t.Fatal(err)
		}
	}
	r.fault(tgsim.Rule{Kind: fault.Flood, Method: history, For: 8 * time.Second})
	waiting := make(chan error, 1)
	go func() {
		_, err := p.Page(t.Context(), ingest.ChannelID(channel), first, ingest.Up)
		waiting <- err
	}()
	eventually(t, "the first call is told to wait", func() bool { return r.srv.Requests()[history] == 1 })
	began := time.Now()
	for range 5 {
		if _, err := p.Page(t.Context(), ingest.ChannelID(channel), first, ingest.Up); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took > 6*time.Second {
		t.Errorf("five pages took %v: the account that was told to wait was asked", took)
	}
	if err := <-waiting; err != nil {
		t.Errorf("the call that waited: %v", err)
	}
}

func TestARevokedSession(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		rule tgsim.Rule
		want account.State
	}{
		"revoked":    {tgsim.Rule{Code: 401, Message: "SESSION_REVOKED"}, account.Revoked},
		"duplicated": {tgsim.Rule{Code: 406, Message: "AUTH_KEY_DUPLICATED"}, account.Revoked},
		"banned":     {tgsim.Rule{Code: 401, Message: "USER_DEACTIVATED_BAN"}, account.Banned},
		"frozen":     {tgsim.Rule{Code: 420, Message: "FROZEN_METHOD_INVALID"}, account.Frozen},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, tgsim.Spec{Messages: 10})
			p, id, _ := r.reading()
			channel := r.resolve(p, news)
			tc.rule.Kind, tc.rule.Method = fault.Fail, history
			r.fault(tc.rule)
			for range 2 {
				if _, err := p.Page(t.Context(), channel, first, ingest.Up); !errors.Is(err, ingest.ErrSession) {
					t.Errorf("got %v, want ErrSession", err)
				}
			}
			eventually(t, "the state is stored", func() bool { return r.state(id).State == tc.want })
			if again := r.login(p, phone, code, ""); again != id {
				t.Errorf("logged in as %d, want %d", again, id)
			}
			if _, err := p.Page(t.Context(), channel, first, ingest.Up); err != nil {
				t.Errorf("after a new login: %v", err)
			}
		})
	}
}

func TestASessionThatTelegramForgot(t *testing.T) {
	t.Parallel()
	r := newRig(t, tgsim.Spec{Messages: 10})
	p, id, _ := r.reading()
	channel := r.resolve(p, news)
	if err := r.srv.Revoke(phone); err != nil {
		t.Fatal(err)
	}
	eventually(t, "reading says that the session is gone", func() bool {
		_, err := p.Page(t.Context(), channel, first, ingest.Up)
		return errors.Is(err, ingest.ErrSession)
	})
	eventually(t, "the state is stored", func() bool { return r.state(id).State == account.Revoked })
}

func TestTelegramOutOfReach(t *testing.T) {
	t.Parallel()
	r := newRig(t, tgsim.Spec{Messages: 10})
	p, id, _ := r.reading()
	channel := r.resolve(p, news)
	r.fault(tgsim.Rule{Kind: fault.Drop, Count: -1, Every: 1})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	began := time.Now()
	if _, err := p.Page(ctx, channel, first, ingest.Up); !errors.Is(err, ingest.ErrUnreachable) || time.Since(began) > 2*time.Second {
		t.Errorf("got %v after %v, want ErrUnreachable at the deadline", err, time.Since(began))
	}
	r.srv.Faults().Clear()
	if _, err := p.Page(t.Context(), channel, first, ingest.Up); err != nil {
		t.Errorf("when it is back: %v", err)
	}
	eventually(t, "the account is active", func() bool { return r.state(id).State == account.Active })
}
