package tgsim_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gotd/td/telegram"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"github.com/tidemark/tidemark/services/parser/tgsim"
)

// code is the type of an rpc_error, "" of none.
func code(err error) string {
	if e, ok := tgerr.As(err); ok {
		return e.Message
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func TestResolve(t *testing.T) {
	t.Parallel()
	srv := serve(t, tgsim.Spec{Channels: 2, Messages: 5, Private: 1}, tgsim.Options{})
	with(t, options(t, srv), func(ctx context.Context, c *telegram.Client) error {
		for name, want := range map[string]string{
			"channel_1": "", "CHANNEL_1": "", "channel_2": "USERNAME_NOT_OCCUPIED", "nobody_here": "USERNAME_NOT_OCCUPIED",
			"a b": "USERNAME_INVALID", "1st": "USERNAME_INVALID", "": "USERNAME_INVALID",
		} {
			if _, err := resolve(ctx, c, name); code(err) != want {
				t.Errorf("%q: %v, want %q", name, err, want)
			}
		}
		return nil
	})
}

func TestAccess(t *testing.T) {
	t.Parallel()
	srv := serve(t, tgsim.Spec{Channels: 3, Messages: 40, Joined: func(i int) bool { return i == 1 }}, tgsim.Options{})
	w := srv.World()
	with(t, options(t, srv), func(ctx context.Context, c *telegram.Client) error {
		read := func(ch *tg.Channel) string {
			_, err := history(ctx, c, tg.MessagesGetHistoryRequest{Peer: ch.AsInputPeer()})
			return code(err)
		}
		var channels []*tg.Channel
		for i := range 3 {
			ch, err := resolve(ctx, c, fmt.Sprintf("channel_%d", i+1))
			if err != nil {
				return err
			}
			channels = append(channels, ch)
		}
		forged := *channels[0]
		forged.AccessHash++
		if got := read(&forged); got != "CHANNEL_INVALID" {
			t.Errorf("with a wrong access hash: %q", got)
		}
		if !channels[0].Left || channels[1].Left {
			t.Error("membership is not as told")
		}
		if got := read(channels[0]); got != "" {
			t.Errorf("a public channel, not joined: %q", got)
		}
		if err := w.Rename("channel_2", ""); err != nil {
			t.Fatal(err)
		}
		if got := read(channels[1]); got != "" {
			t.Errorf("a member of a channel without username: %q", got)
		}
		if err := w.MakePrivate("channel_3"); err != nil {
			t.Fatal(err)
		}
		if got := read(channels[2]); got != "CHANNEL_PRIVATE" {
			t.Errorf("a channel turned private: %q", got)
		}
		if _, err := c.API().ChannelsGetChannels(ctx, []tg.InputChannelClass{channels[2].AsInput()}); code(err) != "CHANNEL_PRIVATE" {
			t.Errorf("getChannels of it: %v", err)
		}
		id := fmt.Sprint(channels[2].ID)
		if err := w.Join(id, "+10000000000"); err != nil {
			t.Fatal(err)
		}
		if got := read(channels[2]); got != "" {
			t.Errorf("after joining it: %q", got)
		}
		return nil
	})
}

func TestDialogs(t *testing.T) {
	t.Parallel()
	srv := serve(t, tgsim.Spec{Seed: 9, Channels: 30, Messages: 60}, tgsim.Options{})
	w := srv.World()
	with(t, options(t, srv), func(ctx context.Context, c *telegram.Client) error {
		all, err := c.API().MessagesGetDialogs(ctx, &tg.MessagesGetDialogsRequest{OffsetPeer: &tg.InputPeerEmpty{}, Limit: 20})
		if err != nil {
			return err
		}
		first := all.(*tg.MessagesDialogsSlice)
		last := first.Chats[19].(*tg.Channel)
		more, err := c.API().MessagesGetDialogs(ctx, &tg.MessagesGetDialogsRequest{OffsetPeer: last.AsInputPeer(), Limit: 20})
		if err != nil {
			return err
		}
		second := more.(*tg.MessagesDialogsSlice)
		if len(first.Dialogs) != 20 || len(second.Dialogs) != 10 || first.Count != 30 {
			t.Errorf("pages of %d and %d of %d", len(first.Dialogs), len(second.Dialogs), first.Count)
		}
		var peers []tg.InputDialogPeerClass
		for _, ch := range append(first.Chats, second.Chats...) {
			peers = append(peers, &tg.InputDialogPeer{Peer: ch.(*tg.Channel).AsInputPeer()})
		}
		if _, err := w.Post("channel_7", tgsim.Draft{Text: "fresh"}); err != nil {
			t.Fatal(err)
		}
		answer, err := c.API().MessagesGetPeerDialogs(ctx, peers)
		if err != nil {
			return err
		}
		got, want := map[int64][2]int{}, map[int64][2]int{}
		for _, d := range answer.Dialogs {
			d := d.(*tg.Dialog)
			got[d.Peer.(*tg.PeerChannel).ChannelID] = [2]int{d.TopMessage, d.Pts}
		}
		for _, id := range w.Channels() {
			truth, err := w.Truth(fmt.Sprint(id))
			if err != nil {
				t.Fatal(err)
			}
			ids, _ := exists(t, srv, fmt.Sprint(id))
			want[id] = [2]int{ids[0], truth.Pts}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if err := w.MakePrivate("channel_7"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.API().MessagesGetPeerDialogs(ctx, peers); code(err) != "CHANNEL_PRIVATE" {
			t.Errorf("a batch with a private channel: %v", err)
		}
		return nil
	})
}

func TestSmallMethods(t *testing.T) {
	t.Parallel()
	srv := serve(t, tgsim.Spec{Messages: 40}, tgsim.Options{})
	truth, _ := srv.World().Truth("channel_1")
	with(t, options(t, srv), func(ctx context.Context, c *telegram.Client) error {
		api := c.API()
		ch, err := resolve(ctx, c, "channel_1")
		if err != nil {
			return err
		}
		views, err := api.MessagesGetMessagesViews(ctx, &tg.MessagesGetMessagesViewsRequest{Peer: ch.AsInputPeer(), ID: []int{truth.Posts[0].ID, 9999}})
		if err != nil || views.Views[0].Views != truth.Posts[0].Views || views.Views[1].Views != 0 {
			t.Errorf("views: %v, %v", views, err)
		}
		full, err := api.ChannelsGetFullChannel(ctx, ch.AsInput())
		if err != nil || full.FullChat.(*tg.ChannelFull).Pts != truth.Pts {
			t.Errorf("full channel: %v, %v", full, err)
		}
		me, err := c.Self(ctx)
		if err != nil || me.Phone != "+10000000000" {
			t.Errorf("self: %v, %v", me, err)
		}
		if _, err := api.UsersGetFullUser(ctx, &tg.InputUserSelf{}); err != nil {
			t.Error("full user:", err)
		}
		if config, err := api.HelpGetConfig(ctx); err != nil || fmt.Sprintf("%s:%d", config.DCOptions[0].IPAddress, config.DCOptions[0].Port) != srv.Addr() {
			t.Errorf("config: %v, %v", config, err)
		}
		if _, err := api.HelpGetNearestDC(ctx); err != nil {
			t.Error("nearest:", err)
		}
		if _, err := api.HelpGetAppConfig(ctx, 0); err != nil {
			t.Error("app config:", err)
		}
		if _, err := api.MessagesGetAllStickers(ctx, 0); code(err) != "METHOD_NOT_IMPLEMENTED" {
			t.Error("an unknown method:", err)
		}
		if _, err := api.AuthLogOut(ctx); err != nil {
			t.Error("log out:", err)
		}
		if _, err := resolve(ctx, c, "channel_1"); code(err) != "AUTH_KEY_UNREGISTERED" {
			t.Error("after logging out:", err)
		}
		return nil
	})
}
