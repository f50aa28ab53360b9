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

// exists are the ids that exist by the truth, newest first, with their dates.
func exists(t testing.TB, srv *tgsim.Server, ref string) (ids []int, date map[int]int) {
	t.Helper()
	truth, err := srv.World().Truth(ref)
	if err != nil {
		t.Fatal(err)
	}
	date = map[int]int{}
	for _, p := range truth.Posts {
		ids, date[p.ID] = append(ids, p.ID), int(p.Date.Unix())
	}
	ids = append(ids, truth.Service...)
	slices.Sort(ids)
	slices.Reverse(ids)
	return ids, date
}

func history(ctx context.Context, c *telegram.Client, r tg.MessagesGetHistoryRequest) (*tg.MessagesChannelMessages, error) {
	answer, err := c.API().MessagesGetHistory(ctx, &r)
	if err != nil {
		return nil, err
	}
	return answer.(*tg.MessagesChannelMessages), nil
}

func ids(all []tg.MessageClass) []int {
	got := make([]int, len(all))
	for i, m := range all {
		got[i] = m.GetID()
	}
	return got
}

func TestHistory(t *testing.T) {
	t.Parallel()
	const name = "channel_1"
	srv := serve(t, tgsim.Spec{Seed: 3, Messages: 700}, tgsim.Options{})
	want, date := exists(t, srv, name)
	truth, _ := srv.World().Truth(name)
	with(t, options(t, srv), func(ctx context.Context, c *telegram.Client) error {
		ch, err := resolve(ctx, c, "Channel_1") // any case
		if err != nil {
			return err
		}
		peer := ch.AsInputPeer()
		t.Run("down to the first", func(t *testing.T) {
			var got []int
			for offset := 0; ; {
				page, err := history(ctx, c, tg.MessagesGetHistoryRequest{Peer: peer, OffsetID: offset, Limit: 100})
				if err != nil {
					t.Fatal(err)
				}
				if len(page.Messages) == 0 {
					break
				}
				got = append(got, ids(page.Messages)...)
				offset = got[len(got)-1]
				if page.Count != len(want) || page.Pts != truth.Pts {
					t.Fatalf("count %d pts %d, want %d and %d", page.Count, page.Pts, len(want), truth.Pts)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
		t.Run("up to the newest", func(t *testing.T) {
			var got []int
			for offset := 1; ; {
				page, err := history(ctx, c, tg.MessagesGetHistoryRequest{Peer: peer, OffsetID: offset, AddOffset: -100, Limit: 100})
				if err != nil {
					t.Fatal(err)
				}
				up := ids(page.Messages)
				if len(up) == 0 {
					break
				}
				got = append(up, got...)
				offset = up[0] + 1
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
		t.Run("posts are as in truth", func(t *testing.T) { samePosts(ctx, t, c, peer, truth) })
		t.Run("offsets", func(t *testing.T) { offsets(ctx, t, c, peer, want, date) })
		return nil
	})
}

func samePosts(ctx context.Context, t *testing.T, c *telegram.Client, peer tg.InputPeerClass, truth tgsim.Truth) {
	page, err := history(ctx, c, tg.MessagesGetHistoryRequest{Peer: peer, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]string{}
	for _, m := range page.Messages {
		if m, ok := m.(*tg.Message); ok {
			seen[m.ID] = fmt.Sprint(m.Message, m.Date, m.EditDate, m.GroupedID)
		}
	}
	for _, p := range truth.Posts {
		edited := 0
		if !p.Edited.IsZero() {
			edited = int(p.Edited.Unix())
		}
		if got, ok := seen[p.ID]; ok && got != fmt.Sprint(p.Text, int(p.Date.Unix()), edited, p.Grouped) {
			t.Errorf("post %d is %q", p.ID, got)
		}
		delete(seen, p.ID)
	}
	if len(seen) > 0 {
		t.Errorf("%d posts that truth does not know", len(seen))
	}
}

// offsets compares pages with what the plain words of the documentation make of the list.
func offsets(ctx context.Context, t *testing.T, c *telegram.Client, peer tg.InputPeerClass, all []int, date map[int]int) {
	mid := all[len(all)/2]
	someDate := date[all[slices.IndexFunc(all, func(id int) bool { return id < mid && date[id] != 0 })]]
	for name, q := range map[string]tg.MessagesGetHistoryRequest{
		"defaults":                 {},
		"limit above the bound":    {Limit: 1000},
		"below an id":              {OffsetID: mid, Limit: 7},
		"below an id that is gone": {OffsetID: 99_999, Limit: 7},
		"newer than an id":         {OffsetID: mid, AddOffset: -20, Limit: 20},
		"around an id":             {OffsetID: mid, AddOffset: -5, Limit: 10},
		"beyond the newest":        {OffsetID: all[3], AddOffset: -20, Limit: 20},
		"skipping":                 {AddOffset: 13, Limit: 5},
		"older than a date":        {OffsetDate: someDate, Limit: 9},
		"newer than a date":        {OffsetDate: someDate, AddOffset: -9, Limit: 9},
		"max id cuts after":        {MaxID: mid, Limit: 100},
		"min id cuts after":        {MinID: all[10], Limit: 100},
		"both cut":                 {OffsetID: mid, MaxID: mid - 3, MinID: mid - 30, Limit: 100},
		"below the first":          {OffsetID: 1, Limit: 10},
		"offset id wins over date": {OffsetID: mid, OffsetDate: 5, Limit: 3},
	} {
		t.Run(name, func(t *testing.T) {
			q.Peer = peer
			page, err := history(ctx, c, q)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(model(q, all, date), ids(page.Messages)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// model is messages.getHistory said as plainly as it can be.
func model(q tg.MessagesGetHistoryRequest, all []int, date map[int]int) []int {
	start := 0
	for start < len(all) && (q.OffsetID > 0 && all[start] >= q.OffsetID || q.OffsetID == 0 && q.OffsetDate > 0 && dateOf(all, start, date) >= q.OffsetDate) {
		start++
	}
	limit := min(q.Limit, 100)
	if limit == 0 {
		limit = 20
	}
	got := []int{}
	for i := start + q.AddOffset; i < start+q.AddOffset+limit; i++ {
		if i >= 0 && i < len(all) && (q.MaxID == 0 || all[i] < q.MaxID) && all[i] > q.MinID {
			got = append(got, all[i])
		}
	}
	return got
}

// dateOf is the date at a place; truth has none for service messages, so their neighbour's above stands in.
func dateOf(all []int, i int, date map[int]int) int {
	for ; i > 0 && date[all[i]] == 0; i-- {
	}
	return date[all[i]]
}

func TestMessagesByID(t *testing.T) {
	t.Parallel()
	srv := serve(t, tgsim.Spec{Seed: 4, Messages: 300}, tgsim.Options{})
	truth, _ := srv.World().Truth("channel_1")
	with(t, options(t, srv), func(ctx context.Context, c *telegram.Client) error {
		ch, err := resolve(ctx, c, "channel_1")
		if err != nil {
			return err
		}
		ask := []tg.InputMessageClass{
			&tg.InputMessageID{ID: truth.Deleted[0]}, &tg.InputMessageID{ID: truth.Posts[5].ID},
			&tg.InputMessageID{ID: truth.Service[0]}, &tg.InputMessageID{ID: 5000},
		}
		answer, err := c.API().ChannelsGetMessages(ctx, &tg.ChannelsGetMessagesRequest{Channel: ch.AsInput(), ID: ask})
		if err != nil {
			return err
		}
		var got []string
		for _, m := range answer.(*tg.MessagesChannelMessages).Messages {
			got = append(got, fmt.Sprint(m.TypeName(), m.GetID()))
		}
		want := []string{fmt.Sprint("messageEmpty", truth.Deleted[0]), fmt.Sprint("message", truth.Posts[5].ID),
			fmt.Sprint("messageService", truth.Service[0]), "messageEmpty5000"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		return nil
	})
}

// BenchmarkHistory is the raw speed: a client that reads and discards.
func BenchmarkHistory(b *testing.B) {
	srv := serve(b, tgsim.Spec{Seed: 1, Channels: 4, Messages: 10_000}, tgsim.Options{})
	b.ReportAllocs()
	with(b, options(b, srv), func(ctx context.Context, c *telegram.Client) error {
		var peers []tg.InputPeerClass
		for i := range 4 {
			ch, err := resolve(ctx, c, fmt.Sprintf("channel_%d", i+1))
			if err != nil {
				return err
			}
			peers = append(peers, ch.AsInputPeer())
		}
		b.ResetTimer()
		start := time.Now()
		read := make(chan int)
		for range b.N {
			for _, peer := range peers {
				go func() { read <- drain(ctx, b, c, peer) }()
			}
			for range peers {
				<-read
			}
		}
		n := 4 * 10_000 * b.N
		b.ReportMetric(float64(n)/time.Since(start).Seconds(), "messages/s")
		return nil
	})
}

func drain(ctx context.Context, b *testing.B, c *telegram.Client, peer tg.InputPeerClass) (n int) {
	for offset := 0; ; {
		page, err := history(ctx, c, tg.MessagesGetHistoryRequest{Peer: peer, OffsetID: offset, Limit: 100})
		if err != nil {
			b.Error(err)
			return n
		}
		if len(page.Messages) == 0 {
			return n
		}
		n += len(page.Messages)
		offset = page.Messages[len(page.Messages)-1].GetID()
	}
}
