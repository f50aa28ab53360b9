package accounttest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark/tidemark/services/parser/internal/account"
)

// Opened is a fresh store and a way to end a lease's time.
type Opened struct {
	Store  account.Store
	Expire func(account.ID)
}

// now is to the microsecond, as Postgres keeps it.
var now = time.Date(2026, 5, 6, 7, 8, 9, 123456000, time.UTC)

const history = "messages.getHistory"

// TestStore says what every account.Store must do.
func TestStore(t *testing.T, open func(*testing.T) Opened) {
	t.Helper()
	for _, tc := range []struct {
		name string
		run  func(*testing.T, Opened)
	}{
		{"an adopted account is found again", adopted},
		{"accounts are listed by id, in pages", listed},
		{"one lease at a time", oneLease},
		{"an old lease writes nothing", fencing},
		{"a lease that ran out and nobody took goes on", ranOut},
		{"a login takes the lease from whoever has it", takenOver},
		{"renewing notes state and last answer", renewed},
		{"peers are kept per account", peers},
		{"usernames are kept", usernames},
		{"the longer wait stays", floods},
		{"a budget is used up and comes back", budgets},
		{"deleting forgets all", deleted},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.run(t, open(t))
		})
	}
}

func sample(id account.ID) account.Account {
	return account.Account{ID: id, Username: "reader", MaskedPhone: "+*********42", State: account.Active, CreatedAt: now}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func adopt(t *testing.T, s account.Store, id account.ID) account.Lease {
	t.Helper()
	l, err := s.Adopt(t.Context(), sample(id), []byte("first session"), "one")
	must(t, err)
	return l
}

func adopted(t *testing.T, o Opened) {
	adopt(t, o.Store, 7)
	got, err := o.Store.Account(t.Context(), 7, now)
	must(t, err)
	if diff := cmp.Diff(sample(7), got); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
	for _, id := range []account.ID{6, 8} {
		if _, err := o.Store.Account(t.Context(), id, now); !errors.Is(err, account.ErrUnknown) {
			t.Errorf("account %d: got %v, want ErrUnknown", id, err)
		}
	}
}

func listed(t *testing.T, o Opened) {
	for _, id := range []account.ID{30, 10, 20} {
		adopt(t, o.Store, id)
	}
	var got []account.ID
	for after := account.ID(0); ; after = got[len(got)-1] {
		page, err := o.Store.Accounts(t.Context(), after, 2, now)
		must(t, err)
		for _, a := range page {
			got = append(got, a.ID)
		}
		if len(page) < 2 {
			break
		}
	}
	if diff := cmp.Diff([]account.ID{10, 20, 30}, got); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

func oneLease(t *testing.T, o Opened) {
	held := adopt(t, o.Store, 7)
	if _, _, err := o.Store.Acquire(t.Context(), 7, "two"); !errors.Is(err, account.ErrLeased) {
		t.Errorf("got %v while another holds it, want ErrLeased", err)
	}
	must(t, o.Store.Release(t.Context(), held))
	l, session, err := o.Store.Acquire(t.Context(), 7, "two")
	if err != nil || string(session) != "first session" || l.Token <= held.Token {
		t.Errorf("got lease %v, session %q, %v after the release", l, session, err)
	}
	if _, _, err := o.Store.Acquire(t.Context(), 8, "two"); !errors.Is(err, account.ErrUnknown) {
		t.Errorf("got %v for an unknown account, want ErrUnknown", err)
	}
}

func fencing(t *testing.T, o Opened) {
	old := adopt(t, o.Store, 7)
	o.Expire(7)
	fresh, _, err := o.Store.Acquire(t.Context(), 7, "two")
	must(t, err)
	for what, err := range map[string]error{
		"renew": o.Store.Renew(t.Context(), old, account.Banned, now),
		"save":  o.Store.SaveSession(t.Context(), old, []byte("old")),
	} {
		if !errors.Is(err, account.ErrLeaseLost) {
			t.Errorf("%s with an old lease: got %v, want ErrLeaseLost", what, err)
		}
	}
	must(t, o.Store.Release(t.Context(), old))
	must(t, o.Store.SaveSession(t.Context(), fresh, []byte("second session")))
	if _, _, err := o.Store.Acquire(t.Context(), 7, "three"); !errors.Is(err, account.ErrLeased) {
		t.Errorf("got %v: the old lease's release freed the new one", err)
	}
	must(t, o.Store.Release(t.Context(), fresh))
	_, session, err := o.Store.Acquire(t.Context(), 7, "three")
	if err != nil || string(session) != "second session" {
		t.Errorf("got %q, %v, want the new holder's session", session, err)
	}
}

func ranOut(t *testing.T, o Opened) {
	l := adopt(t, o.Store, 7)
	o.Expire(7)
	must(t, o.Store.Renew(t.Context(), l, account.Active, time.Time{}))
	if _, _, err := o.Store.Acquire(t.Context(), 7, "two"); !errors.Is(err, account.ErrLeased) {
		t.Errorf("got %v after the renewal, want ErrLeased", err)
	}
}

func takenOver(t *testing.T, o Opened) {
	old := adopt(t, o.Store, 7)
	again := adopt(t, o.Store, 7)
	if again.Token <= old.Token {
		t.Errorf("got token %d after %d, want it to grow", again.Token, old.Token)
	}
	if err := o.Store.Renew(t.Context(), old, account.Active, time.Time{}); !errors.Is(err, account.ErrLeaseLost) {
		t.Errorf("got %v, want ErrLeaseLost", err)
	}
}

func renewed(t *testing.T, o Opened) {
	l := adopt(t, o.Store, 7)
	must(t, o.Store.Renew(t.Context(), l, account.Unreachable, now))
	must(t, o.Store.Renew(t.Context(), l, account.Frozen, time.Time{}))
	want := sample(7)
	want.State, want.LastOKAt = account.Frozen, now
	got, err := o.Store.Account(t.Context(), 7, now)
	must(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

func peers(t *testing.T, o Opened) {
	adopt(t, o.Store, 7)
	adopt(t, o.Store, 9)
	one := account.Peer{Account: 7, Channel: 100, AccessHash: -5, Username: "News", Title: "News", ResolvedAt: now}
	two := account.Peer{Account: 9, Channel: 100, AccessHash: 6, Title: "News", Supergroup: true, Protected: true, ResolvedAt: now}
	three := account.Peer{Account: 9, Channel: 200, AccessHash: 8, ResolvedAt: now}
	must(t, o.Store.SavePeers(t.Context(), []account.Peer{three, two, one, three}))
	renamed := one
	renamed.AccessHash, renamed.Title = 55, "Old news"
	must(t, o.Store.SavePeers(t.Context(), []account.Peer{renamed}))
	got, err := o.Store.Peers(t.Context(), 100)
	must(t, err)
	if diff := cmp.Diff([]account.Peer{renamed, two}, got); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
	if none, err := o.Store.Peers(t.Context(), 300); err != nil || len(none) != 0 {
		t.Errorf("got %v, %v for an unknown channel", none, err)
	}
}

func usernames(t *testing.T, o Opened) {
	if got, err := o.Store.ChannelOf(t.Context(), "news"); got != 0 || err != nil {
		t.Errorf("got %d, %v before it was resolved", got, err)
	}
	must(t, o.Store.SaveUsername(t.Context(), "news", 100, now))
	must(t, o.Store.SaveUsername(t.Context(), "news", 200, now))
	if got, err := o.Store.ChannelOf(t.Context(), "news"); got != 200 || err != nil {
		t.Errorf("got %d, %v, want the last one saved", got, err)
	}
	must(t, o.Store.SaveUsername(t.Context(), "renamed", 200, now.Add(time.Second)))
	for channel, want := range map[int64]string{200: "renamed", 100: ""} {
		if got, err := o.Store.UsernameOf(t.Context(), channel); got != want || err != nil {
			t.Errorf("channel %d: got %q, %v, want %q", channel, got, err, want)
		}
	}
}

func floods(t *testing.T, o Opened) {
	adopt(t, o.Store, 7)
	long := account.Flood{Account: 7, Method: history, Since: now, Until: now.Add(time.Hour)}
	short := account.Flood{Account: 7, Method: history, Since: now, Until: now.Add(time.Minute)}
	other := account.Flood{Account: 7, Method: "messages.getDialogs", Since: now, Until: now.Add(time.Second)}
	for _, f := range []account.Flood{long, short, other} {
		must(t, o.Store.SaveFlood(t.Context(), f))
	}
	for at, want := range map[time.Duration][]account.Flood{0: {other, long}, time.Second: {long}, time.Hour: nil} {
		got, err := o.Store.Account(t.Context(), 7, now.Add(at))
		must(t, err)
		if diff := cmp.Diff(want, got.Floods); diff != "" {
			t.Errorf("after %v, want -, got +:\n%s", at, diff)
		}
	}
}

func budgets(t *testing.T, o Opened) {
	adopt(t, o.Store, 7)
	spend := func(at time.Duration) time.Time {
		until, err := o.Store.Spend(t.Context(), 7, "contacts.resolveUsername", 2, time.Hour, now.Add(at))
		must(t, err)
		return until
	}
	for i, tc := range []struct {
		at   time.Duration
		want time.Time
	}{
		{0, time.Time{}}, {time.Minute, time.Time{}}, {2 * time.Minute, now.Add(time.Hour)}, {59 * time.Minute, now.Add(time.Hour)},
		{time.Hour, time.Time{}}, {61 * time.Minute, time.Time{}}, {62 * time.Minute, now.Add(2 * time.Hour)},
	} {
		if got := spend(tc.at); !got.Equal(tc.want) {
			t.Errorf("call %d: got %v, want %v", i, got, tc.want)
		}
	}
}

func deleted(t *testing.T, o Opened) {
	l := adopt(t, o.Store, 7)
	must(t, o.Store.SavePeers(t.Context(), []account.Peer{{Account: 7, Channel: 100, ResolvedAt: now}}))
	must(t, o.Store.SaveFlood(t.Context(), account.Flood{Account: 7, Method: history, Since: now, Until: now.Add(time.Hour)}))
	for range 2 {
		must(t, o.Store.Delete(t.Context(), 7))
	}
	if _, err := o.Store.Account(t.Context(), 7, now); !errors.Is(err, account.ErrUnknown) {
		t.Errorf("got %v, want ErrUnknown", err)
	}
	if err := o.Store.Renew(context.WithoutCancel(t.Context()), l, account.Active, now); !errors.Is(err, account.ErrLeaseLost) {
		t.Errorf("got %v, want ErrLeaseLost", err)
	}
	if left, err := o.Store.Peers(t.Context(), 100); err != nil || len(left) != 0 {
		t.Errorf("got peers %v, %v, want none", left, err)
	}
	adopt(t, o.Store, 7)
	if got, err := o.Store.Account(t.Context(), 7, now); err != nil || len(got.Floods) != 0 {
		t.Errorf("got floods %v, %v, want none", got.Floods, err)
	}
}
