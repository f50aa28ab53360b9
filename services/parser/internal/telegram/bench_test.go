package telegram_test

import (
	"context"
	"net"
	"strconv"
	"sync"
	"testing"

	"github.com/gotd/td/crypto"
	"github.com/gotd/td/session"
	td "github.com/gotd/td/telegram"
	"github.com/gotd/td/telegram/auth"
	"github.com/gotd/td/telegram/dcs"
	"github.com/gotd/td/tg"

	"github.com/tidemark/tidemark/services/parser/internal/ingest"
	"github.com/tidemark/tidemark/services/parser/tgsim"
)

const (
	benchChannels = 4
	benchMessages = 10_000
)

func benchSpec() tgsim.Spec {
	return tgsim.Spec{Seed: 1, Channels: benchChannels, Messages: benchMessages}
}

// BenchmarkPage reads whole channels through Pool.Page, a few at a time as the scheduler does. Compare messages/s with BenchmarkRawLoop, in the
// same process as the simulator in both.
func BenchmarkPage(b *testing.B) {
	r := newRig(b, benchSpec())
	p, _, _ := r.reading()
	var channels []ingest.ChannelID
	for i := range benchChannels {
		channels = append(channels, r.resolve(p, "channel_"+strconv.Itoa(i+1)))
	}
	perChannel(b, func(i int) (messages int) {
		for within := (ingest.Range{First: 1, Last: benchMessages}); within.First <= within.Last; {
			page, err := p.Page(b.Context(), channels[i], within, ingest.Down)
			if err != nil {
				b.Error(err)
				return messages
			}
			messages += page.Messages
			within.Last = page.Covered.First - 1
		}
		return messages
	})
}

// BenchmarkRawLoop reads the same with gotd alone, and discards.
func BenchmarkRawLoop(b *testing.B) {
	r := newRig(b, benchSpec())
	withRawClient(b, r, func(ctx context.Context, api *tg.Client) {
		var peers []*tg.InputPeerChannel
		for i := range benchChannels {
			found, err := api.ContactsResolveUsername(ctx, &tg.ContactsResolveUsernameRequest{Username: "channel_" + strconv.Itoa(i+1)})
			if err != nil {
				b.Error(err)
				return
			}
			c := found.Chats[0].(*tg.Channel)
			peers = append(peers, &tg.InputPeerChannel{ChannelID: c.ID, AccessHash: c.AccessHash})
		}
		perChannel(b, func(i int) (messages int) {
			for offset := 0; ; {
				answer, err := api.MessagesGetHistory(ctx, &tg.MessagesGetHistoryRequest{Peer: peers[i], OffsetID: offset, Limit: 100})
				if err != nil {
					b.Error(err)
					return messages
				}
				page := answer.(*tg.MessagesChannelMessages).Messages
				if len(page) == 0 {
					return messages
				}
				messages += len(page)
				offset = page[len(page)-1].GetID()
			}
		})
	})
}

func perChannel(b *testing.B, read func(channel int) int) {
	b.ReportAllocs()
	total := 0
	for b.Loop() {
		var group sync.WaitGroup
		counts := make([]int, benchChannels)
		for i := range benchChannels {
			group.Go(func() { counts[i] = read(i) })
		}
		group.Wait()
		for _, n := range counts {
			total += n
		}
	}
	b.ReportMetric(float64(total)/b.Elapsed().Seconds(), "messages/s")
}

func withRawClient(b *testing.B, r *rig, fn func(context.Context, *tg.Client)) {
	keys, err := crypto.ParseRSAPublicKeys(r.srv.PublicKeyPEM())
	if err != nil {
		b.Fatal(err)
	}
	host, portText, _ := net.SplitHostPort(r.srv.Addr())
	port, _ := strconv.Atoi(portText)
	client := td.NewClient(1, "hash", td.Options{
		DC: r.srv.DC(), DCList: dcs.List{Options: []tg.DCOption{{ID: r.srv.DC(), IPAddress: host, Port: port, Static: true}}},
		Resolver: dcs.Plain(dcs.PlainOptions{}), PublicKeys: []td.PublicKey{{RSA: keys[0]}}, SessionStorage: &session.StorageMemory{},
	})
	err = client.Run(b.Context(), func(ctx context.Context) error {
		flow := auth.NewFlow(auth.CodeOnly(phone, auth.CodeAuthenticatorFunc(func(context.Context, *tg.AuthSentCode) (string, error) {
			return code, nil
		})), auth.SendCodeOptions{})
		if err := client.Auth().IfNecessary(ctx, flow); err != nil {
			return err
		}
		fn(ctx, client.API())
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}
