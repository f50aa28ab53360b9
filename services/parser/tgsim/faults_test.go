package tgsim_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/gotd/td/telegram"
	"github.com/gotd/td/tg"

	"github.com/tidemark/tidemark/services/parser/tgsim"
	"github.com/tidemark/tidemark/services/parser/tgsim/fault"
)

// add puts a rule in force.
func add(t testing.TB, srv *tgsim.Server, r tgsim.Rule) {
	t.Helper()
	if err := srv.Faults().Add(r); err != nil {
		t.Fatal(err)
	}
}

// reader runs fn in a client that is logged in and has resolved channel_1.
func reader(t *testing.T, srv *tgsim.Server, fn func(ctx context.Context, c *telegram.Client, peer tg.InputPeerClass)) {
	t.Helper()
	with(t, options(t, srv), func(ctx context.Context, c *telegram.Client) error {
		ch, err := resolve(ctx, c, "channel_1")
		if err == nil {
			fn(ctx, c, ch.AsInputPeer())
		}
		return err
	})
}

func TestFlood(t *testing.T) {
	t.Parallel()
	srv := serve(t, tgsim.Spec{Messages: 5}, tgsim.Options{})
	reader(t, srv, func(ctx context.Context, c *telegram.Client, peer tg.InputPeerClass) {
		add(t, srv, tgsim.Rule{Kind: fault.Flood, Method: "messages.getHistory", After: 2, For: 30 * time.Second})
		for i, want := range []string{"", "", "FLOOD_WAIT_30", "FLOOD_WAIT_30"} {
			if _, err := history(ctx, c, tg.MessagesGetHistoryRequest{Peer: peer}); code(err) != want {
				t.Errorf("call %d: %v, want %q", i, err, want)
			}
		}
		if _, err := resolve(ctx, c, "channel_1"); err != nil {
			t.Error("another method:", err)
		}
		srv.Faults().Clear()
		if _, err := history(ctx, c, tg.MessagesGetHistoryRequest{Peer: peer}); err != nil {
			t.Error("after clearing:", err)
		}
	})
}

func TestFailOneChannel(t *testing.T) {
	t.Parallel()
	srv := serve(t, tgsim.Spec{Channels: 2, Messages: 5}, tgsim.Options{})
	reader(t, srv, func(ctx context.Context, c *telegram.Client, peer tg.InputPeerClass) {
		add(t, srv, tgsim.Rule{Kind: fault.Fail, Channel: srv.World().Channels()[0], Code: 400, Message: "CHANNEL_PRIVATE", Count: -1})
		other, err := resolve(ctx, c, "channel_2")
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := history(ctx, c, tg.MessagesGetHistoryRequest{Peer: peer}); code(err) != "CHANNEL_PRIVATE" {
				t.Error("the channel:", err)
			}
			if _, err := history(ctx, c, tg.MessagesGetHistoryRequest{Peer: other.AsInputPeer()}); err != nil {
				t.Error("another:", err)
			}
		}
	})
}

// TestPoison: one message that no client can read spoils its page, and no other.
func TestPoison(t *testing.T) {
	t.Parallel()
	srv := serve(t, tgsim.Spec{Messages: 50}, tgsim.Options{})
	all, _ := exists(t, srv, "channel_1")
	reader(t, srv, func(ctx context.Context, c *telegram.Client, peer tg.InputPeerClass) {
		add(t, srv, tgsim.Rule{Kind: fault.Poison, Channel: srv.World().Channels()[0], IDs: []int{all[5]}})
		if _, err := history(ctx, c, tg.MessagesGetHistoryRequest{Peer: peer, Limit: 10}); err == nil {
			t.Error("the page was readable")
		}
		page, err := history(ctx, c, tg.MessagesGetHistoryRequest{Peer: peer, OffsetID: all[5], Limit: 10})
		if err != nil || len(page.Messages) != 10 {
			t.Error("the page below:", err)
		}
	})
}

// TestDrop: a client whose connection is cut at every fifth request reads everything all the same, without logging in again.
func TestDrop(t *testing.T) {
	t.Parallel()
	srv := serve(t, tgsim.Spec{Messages: 300}, tgsim.Options{})
	want, _ := exists(t, srv, "channel_1")
	reader(t, srv, func(ctx context.Context, c *telegram.Client, peer tg.InputPeerClass) {
		add(t, srv, tgsim.Rule{Kind: fault.Drop, Every: 5, Count: 4})
		got := 0
		for offset := 0; ; {
			page, err := history(ctx, c, tg.MessagesGetHistoryRequest{Peer: peer, OffsetID: offset, Limit: 20})
			if err != nil {
				t.Fatal(err)
			}
			if len(page.Messages) == 0 {
				break
			}
			got += len(page.Messages)
			offset = page.Messages[len(page.Messages)-1].GetID()
		}
		if got != len(want) {
			t.Errorf("read %d messages, want %d", got, len(want))
		}
	})
	if n := srv.Requests()["auth.signIn"]; n != 0 {
		t.Errorf("%d logins, want none", n)
	}
}

// TestSlow: a slow answer holds up nobody else on the connection.
func TestSlow(t *testing.T) {
	t.Parallel()
	srv := serve(t, tgsim.Spec{Messages: 5}, tgsim.Options{})
	reader(t, srv, func(ctx context.Context, c *telegram.Client, peer tg.InputPeerClass) {
		add(t, srv, tgsim.Rule{Kind: fault.Slow, Method: "messages.getHistory", For: 2 * time.Second})
		slow := make(chan error, 1)
		go func() {
			_, err := history(ctx, c, tg.MessagesGetHistoryRequest{Peer: peer})
			slow <- err
		}()
		for srv.Faults().Active() > 0 { // until the slow one has come
			if ctx.Err() != nil {
				t.Fatal(ctx.Err())
			}
			if _, err := resolve(ctx, c, "channel_1"); err != nil {
				t.Fatal(err)
			}
		}
		for range 20 {
			if _, err := resolve(ctx, c, "channel_1"); err != nil {
				t.Fatal(err)
			}
		}
		select {
		case err := <-slow:
			t.Errorf("the slow answer came first: %v", err)
		default:
		}
		if err := <-slow; err != nil {
			t.Error("the slow answer:", err)
		}
	})
}

// TestDuplicate: the same session on two connections at once is revoked, where that is asked for.
func TestDuplicate(t *testing.T) {
	t.Parallel()
	srv := serve(t, tgsim.Spec{Messages: 5}, tgsim.Options{})
	o := options(t, srv)
	with(t, o, func(ctx context.Context, _ *telegram.Client) error {
		add(t, srv, tgsim.Rule{Kind: fault.Duplicate})
		err := run(t, o, func(ctx context.Context, c *telegram.Client) error {
			_, err := resolve(ctx, c, "channel_1")
			return err
		})
		if got := code(err); got != "AUTH_KEY_DUPLICATED" && got != "AUTH_KEY_UNREGISTERED" {
			t.Errorf("the second connection: %v", err)
		}
		return nil
	})
	err := run(t, o, func(ctx context.Context, c *telegram.Client) error {
		_, err := c.Self(ctx)
		return err
	})
	if code(err) != "AUTH_KEY_UNREGISTERED" {
		t.Errorf("afterwards: %v", err)
	}
}

// TestSilent: clients that connect and say nothing, or nonsense, keep nobody out.
func TestSilent(t *testing.T) {
	t.Parallel()
	srv := serve(t, tgsim.Spec{Messages: 5}, tgsim.Options{})
	for i := range 20 {
		c, err := net.Dial("tcp", srv.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		if i%2 == 0 {
			_, _ = fmt.Fprint(c, "\xee\xee\xee\xee\x08\x00\x00\x00nonsense")
		}
	}
	reader(t, srv, func(context.Context, *telegram.Client, tg.InputPeerClass) {})
}

func TestJournal(t *testing.T) {
	t.Parallel()
	srv := serve(t, tgsim.Spec{Messages: 5}, tgsim.Options{})
	reader(t, srv, func(ctx context.Context, c *telegram.Client, peer tg.InputPeerClass) {
		srv.ResetRequests()
		add(t, srv, tgsim.Rule{Kind: fault.Fail, Method: "messages.getHistory", Code: 500, Message: "SOME_TROUBLE"})
		for range 3 {
			_, _ = history(ctx, c, tg.MessagesGetHistoryRequest{Peer: peer})
		}
		all := srv.LastRequests()
		if n := srv.Requests()["messages.getHistory"]; n != 3 || len(all) != 3 {
			t.Fatalf("%d counted, %d remembered, want 3", n, len(all))
		}
		if all[0].Error != "SOME_TROUBLE" || all[1].Error != "" || all[1].Channel != srv.World().Channels()[0] || all[1].Account == 0 {
			t.Errorf("remembered: %+v", all)
		}
	})
}
