package tgsim_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gotd/td/telegram"
	"github.com/gotd/td/tg"

	"github.com/tidemark/tidemark/services/parser/tgsim"
)

// seen are updates as one line each.
func seen(updates []tg.UpdateClass) (lines []string) {
	for _, u := range updates {
		switch u := u.(type) {
		case *tg.UpdateNewChannelMessage:
			lines = append(lines, fmt.Sprint("new ", u.Message.GetID(), " pts ", u.Pts, "+", u.PtsCount))
		case *tg.UpdateEditChannelMessage:
			lines = append(lines, fmt.Sprint("edit ", u.Message.(*tg.Message).Message, " pts ", u.Pts, "+", u.PtsCount))
		case *tg.UpdateDeleteChannelMessages:
			lines = append(lines, fmt.Sprint("delete ", u.Messages, " pts ", u.Pts, "+", u.PtsCount))
		case *tg.UpdateChannel:
			lines = append(lines, "channel")
		}
	}
	return lines
}

// change makes one change of each kind to a channel of 40 ids and answers what clients should see of it.
func change(t *testing.T, w *tgsim.World) []string {
	t.Helper()
	truth, _ := w.Truth("channel_1")
	a, b := truth.Posts[3].ID, truth.Posts[4].ID
	id, err := w.Post("channel_1", tgsim.Draft{Text: "fresh"})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Edit("channel_1", a, "changed"); err != nil {
		t.Fatal(err)
	}
	if n, err := w.Delete("channel_1", a, b, 9999); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	return []string{fmt.Sprintf("new %d pts %d+1", id, truth.Pts+1), fmt.Sprintf("edit changed pts %d+1", truth.Pts+2),
		fmt.Sprintf("delete [%d %d] pts %d+2", a, b, truth.Pts+4)}
}

func TestLive(t *testing.T) {
	t.Parallel()
	srv := serve(t, tgsim.Spec{Messages: 40}, tgsim.Options{})
	updates := make(chan []string, 100)
	o := options(t, srv)
	o.UpdateHandler = telegram.UpdateHandlerFunc(func(_ context.Context, u tg.UpdatesClass) error {
		all := u.(*tg.Updates)
		if ch, ok := all.Chats[0].(*tg.Channel); ok && ch.AccessHash == 0 {
			t.Error("the update's channel has no access hash")
		}
		updates <- seen(all.Updates)
		return nil
	})
	with(t, o, func(ctx context.Context, c *telegram.Client) error {
		if _, err := c.Self(ctx); err != nil {
			return err
		}
		want := append(change(t, srv.World()), "channel")
		if err := srv.World().MakePrivate("channel_1"); err != nil {
			t.Fatal(err)
		}
		if _, err := srv.World().Post(fmt.Sprint(srv.World().Channels()[0]), tgsim.Draft{Text: "unseen"}); err != nil {
			t.Fatal(err)
		}
		var got []string
		for len(got) < len(want) {
			select {
			case lines := <-updates:
				got = append(got, lines...)
			case <-ctx.Done():
				t.Fatalf("only %q came", got)
			}
		}
		slices.Sort(got) // the client hands them over in parallel
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		return nil
	})
}

// TestDifference: what was missed comes in the difference, in pieces as small as asked for.
func TestDifference(t *testing.T) {
	t.Parallel()
	srv := serve(t, tgsim.Spec{Messages: 40}, tgsim.Options{})
	w := srv.World()
	with(t, options(t, srv), func(ctx context.Context, c *telegram.Client) error {
		ch, err := resolve(ctx, c, "channel_1")
		if err != nil {
			return err
		}
		difference := func(pts, limit int) tg.UpdatesChannelDifferenceClass {
			d, err := c.API().UpdatesGetChannelDifference(ctx, &tg.UpdatesGetChannelDifferenceRequest{Channel: ch.AsInput(),
				Filter: &tg.ChannelMessagesFilterEmpty{}, Pts: pts, Limit: limit})
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		truth, _ := w.Truth("channel_1")
		if d, ok := difference(truth.Pts, 100).(*tg.UpdatesChannelDifferenceEmpty); !ok || !d.Final || d.Pts != truth.Pts {
			t.Errorf("nothing new: %v", d)
		}
		change(t, w)
		d := difference(truth.Pts, 100).(*tg.UpdatesChannelDifference)
		if !d.Final || d.Pts != truth.Pts+4 || len(d.NewMessages) != 1 || len(d.OtherUpdates) != 1 {
			t.Errorf("all at once: %v", d) // the edited post is deleted by now
		}
		if d := difference(truth.Pts, 1).(*tg.UpdatesChannelDifference); d.Final || d.Pts != truth.Pts+1 {
			t.Errorf("the first piece: %v", d)
		}
		w.TooLong = 3
		if d, ok := difference(truth.Pts, 100).(*tg.UpdatesChannelDifferenceTooLong); !ok || d.Dialog.(*tg.Dialog).Pts != truth.Pts+4 || len(d.Messages) != 10 {
			t.Errorf("too long: %v", d)
		}
		_, err = c.API().UpdatesGetChannelDifference(ctx, &tg.UpdatesGetChannelDifferenceRequest{Channel: ch.AsInput(),
			Filter: &tg.ChannelMessagesFilterEmpty{}, Pts: truth.Pts + 99, Limit: 10})
		if code(err) != "PERSISTENT_TIMESTAMP_INVALID" {
			t.Error("ahead of the channel:", err)
		}
		return nil
	})
}

// TestLiveRate: Live posts in each channel in turn.
func TestLiveRate(t *testing.T) {
	t.Parallel()
	w, err := tgsim.NewWorld(tgsim.Spec{Channels: 3, Messages: 10, End: end})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	posted := make(chan string, 100)
	defer w.Watch(func(e tgsim.Event) {
		if posted <- e.View.Username; len(posted) == 6 {
			cancel()
		}
	})()
	if err := w.Live(ctx, time.Millisecond); err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		if got, want := <-posted, fmt.Sprintf("channel_%d", i%3+1); got != want {
			t.Errorf("post %d in %s, want %s", i, got, want)
		}
	}
}
