package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gotd/td/crypto"
	"github.com/gotd/td/telegram"
	"github.com/gotd/td/telegram/auth"
	"github.com/gotd/td/telegram/dcs"
	"github.com/gotd/td/tg"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/tidemark/tidemark/kit/embedded"
)

// figure is how fast one part is alone.
type figure struct {
	name, unit string
	rate       float64
}

// raw measures the parts alone, on the same machine, right after the rounds.
func (b *bench) raw(ctx context.Context) ([]figure, error) {
	dir, remove, err := temp()
	if err != nil {
		return nil, err
	}
	defer remove()
	read, err := b.rawRead(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("raw reading: %w", err)
	}
	upsert, err := rawUpsert(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("raw upsert: %w", err)
	}
	add, err := rawAdd(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("raw XADD: %w", err)
	}
	return []figure{
		{"raw gotd loop: read and discard", "messages/s", read},
		{"raw set-based upsert, one worker", "rows/s", upsert},
		{"raw XADD, pipelined", "entries/s", add},
	}, nil
}

// rawRead reads all history with gotd, as many channels at a time as Tidemark does, and throws it away.
func (b *bench) rawRead(ctx context.Context, dir string) (rate float64, err error) {
	sim, err := b.telegram(ctx, dir)
	if err != nil {
		return 0, err
	}
	defer sim.stop()
	pem, err := os.ReadFile(filepath.Join(dir, "key.pem"))
	if err != nil {
		return 0, err
	}
	keys, err := crypto.ParseRSAPublicKeys(pem)
	if err != nil {
		return 0, err
	}
	host, port, _ := splitAddr(dcAddr)
	client := telegram.NewClient(1, "x", telegram.Options{
		DC: 2, DCList: dcs.List{Options: []tg.DCOption{{ID: 2, IPAddress: host, Port: port, Static: true}}}, Resolver: dcs.Plain(dcs.PlainOptions{}),
		PublicKeys: []telegram.PublicKey{{RSA: keys[0]}}, NoUpdates: true,
	})
	channels, err := summaries(ctx)
	if err != nil {
		return 0, err
	}
	err = client.Run(ctx, func(ctx context.Context) error {
		code := auth.CodeAuthenticatorFunc(func(context.Context, *tg.AuthSentCode) (string, error) { return "12345", nil })
		if err := client.Auth().IfNecessary(ctx, auth.NewFlow(auth.CodeOnly("+10000000000", code), auth.SendCodeOptions{})); err != nil {
			return err
		}
		rate, err = b.readAll(ctx, client.API(), channels)
		return err
	})
	return rate, err
}

func (b *bench) readAll(ctx context.Context, api *tg.Client, channels []summary) (float64, error) {
	var total atomic.Int64
	began := time.Now()
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(b.Workers)
	for _, c := range channels {
		work.Go(func() error {
			found, err := api.ContactsResolveUsername(ctx, &tg.ContactsResolveUsernameRequest{Username: c.Username})
			if err != nil {
				return err
			}
			channel, ok := found.Chats[0].(*tg.Channel)
			if !ok {
				return errors.New("not a channel")
			}
			return discard(ctx, api, &tg.InputPeerChannel{ChannelID: channel.ID, AccessHash: channel.AccessHash}, &total)
		})
	}
	err := work.Wait()
	return float64(total.Load()) / time.Since(began).Seconds(), err
}

func discard(ctx context.Context, api *tg.Client, peer tg.InputPeerClass, total *atomic.Int64) error {
	for offset := 0; ; {
		page, err := api.MessagesGetHistory(ctx, &tg.MessagesGetHistoryRequest{Peer: peer, OffsetID: offset, Limit: 100})
		if err != nil {
			return err
		}
		messages, ok := page.(*tg.MessagesChannelMessages)
		if !ok || len(messages.Messages) == 0 {
			return nil
		}
		total.Add(int64(len(messages.Messages)))
		offset = messages.Messages[len(messages.Messages)-1].GetID()
	}
}

func splitAddr(addr string) (host string, port int, err error) {
	for i := len(addr) - 1; i >= 0; i-- {
		if addr[i] == ':' {
			port, err = strconv.Atoi(addr[i+1:])
			return addr[:i], port, err
		}
	}
	return addr, 0, errors.New("no port")
}

const (
	rawRows  = 200_000
	rawBatch = 1000
)

// rawUpsert puts rows of a post's size into a bare table, a thousand a statement.
func rawUpsert(ctx context.Context, dir string) (rate float64, err error) {
	p, err := embedded.Postgres(ctx, dir, embedded.PostgresOptions{}, quiet())
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	db, err := pgx.Connect(ctx, p.URL)
	if err != nil {
		return 0, err
	}
	defer func() { _ = db.Close(ctx) }()
	if _, err := db.Exec(ctx, "CREATE TABLE raw (channel bigint, message bigint, posted_at timestamptz, text text, body bytea, PRIMARY KEY (channel, message))"); err != nil {
		return 0, err
	}
	ids, at, texts, bodies := make([]int64, rawBatch), make([]time.Time, rawBatch), make([]string, rawBatch), make([][]byte, rawBatch)
	for i := range rawBatch {
		at[i], texts[i], bodies[i] = time.Now(), "The tide comes in twice a day, and goes out as often; mind the steps.", make([]byte, 600)
	}
	began := time.Now()
	for first := 0; first < rawRows; first += rawBatch {
		for i := range ids {
			ids[i] = int64(first + i)
		}
		_, err := db.Exec(ctx, `INSERT INTO raw SELECT 1, * FROM unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::bytea[])
			ON CONFLICT (channel, message) DO UPDATE SET text = excluded.text`, ids, at, texts, bodies)
		if err != nil {
			return 0, err
		}
	}
	return rawRows / time.Since(began).Seconds(), nil
}

// rawAdd adds entries of an event's size to a stream, a thousand a round trip.
func rawAdd(ctx context.Context, dir string) (rate float64, err error) {
	p, err := embedded.Redis(ctx, dir, quiet())
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	options, err := redis.ParseURL(p.URL)
	if err != nil {
		return 0, err
	}
	client := redis.NewClient(options)
	defer func() { _ = client.Close() }()
	event := make([]byte, 300)
	began := time.Now()
	for n := 0; n < rawRows; n += rawBatch {
		pipe := client.Pipeline()
		for range rawBatch {
			pipe.XAdd(ctx, &redis.XAddArgs{Stream: "raw", Values: []any{"event", event, "id", "1/2/3/post.created", "kind", "post.created", "channel", 1, "message", 2}})
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return 0, err
		}
	}
	return rawRows / time.Since(began).Seconds(), nil
}
