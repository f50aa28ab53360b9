// Package cache keeps watermarks in Redis as protobuf bytes, so that a wide mark need not be loaded and counted for each reader.
//
// A copy is used only while it is the truth: a reader asks Postgres for the versions of its marks, which is one small read, and takes from
// Redis the copies that carry exactly those. A mark's version grows with each change, in the transaction of the change, so a copy of the same
// version is a copy of the same mark. What Redis holds, lost, or brought back from its disk can therefore make a read slower, never wrong;
// writers need not tell Redis anything, and a wipe, a crash or an outage between any two steps needs no thought.
//
// When Redis does not answer, everything works as if there were no cache. Each call turns to it at most twice, whatever the batch.
package cache

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/proto"

	watermarkv1 "github.com/tidemark/tidemark/gen/tidemark/watermark/v1"
)

const (
	// ttl bounds how long a copy that nobody renews takes room.
	ttl = 5 * time.Minute
	// patience with Redis before it is done without.
	patience = 100 * time.Millisecond
)

// Cache is nil-safe: a nil Cache never knows anything.
type Cache struct {
	redis *redis.Client
	log   *slog.Logger
	count func(outcome string)
}

// Wanted is a copy that a reader could use.
type Wanted struct {
	Channel int64
	Stage   string
	Etag    string // as Postgres has it now
}

// New makes a cache on a client; count hears "hit", "miss" or "down" per mark wanted.
func New(client *redis.Client, log *slog.Logger, count func(outcome string)) *Cache {
	return &Cache{client, log, count}
}

// Open is a client for the Redis at a URL, redis://USER:PASSWORD@HOST:PORT/DB or rediss:// by TLS. It does not connect yet.
func Open(address string) (*redis.Client, error) {
	options, err := redis.ParseURL(address)
	if err != nil {
		return nil, errors.New("the Redis URL is malformed: want redis://HOST:PORT/DB")
	}
	options.DialerRetries, options.MaxRetries = 1, -1 // a cache is not worth waiting for
	options.ContextTimeoutEnabled = true              // without it our patience would be the client's
	return redis.NewClient(options), nil
}

// Get answers the copies that are current, and nil for each of the rest, in the order wanted.
func (c *Cache) Get(ctx context.Context, wanted []Wanted) []*watermarkv1.Watermark {
	known := make([]*watermarkv1.Watermark, len(wanted))
	if c == nil || len(wanted) == 0 {
		return known
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	names := make([]string, len(wanted))
	for i, w := range wanted {
		names[i] = name(w.Channel, w.Stage)
	}
	copies, err := c.redis.MGet(ctx, names...).Result()
	if err != nil {
		c.down(ctx, len(wanted), err)
		return known
	}
	for i, w := range wanted {
		if known[i] = current(copies[i], w); known[i] != nil {
			c.count("hit")
		} else {
			c.count("miss")
		}
	}
	return known
}

func (c *Cache) down(ctx context.Context, marks int, err error) {
	c.log.DebugContext(ctx, "cache", "err", err)
	for range marks {
		c.count("down")
	}
}

// current is what a copy says, nil when it is missing, unreadable or not the one wanted.
func current(bytes any, want Wanted) *watermarkv1.Watermark {
	text, ok := bytes.(string)
	if !ok {
		return nil
	}
	var w watermarkv1.Watermark
	if proto.Unmarshal([]byte(text), &w) != nil || w.GetChannelId() != want.Channel || w.GetStage() != want.Stage || w.GetEtag() != want.Etag {
		return nil
	}
	return &w
}

// Put keeps marks as Postgres answered them. It may lose against an older one: that copy is then of no use to anybody.
func (c *Cache) Put(ctx context.Context, marks []*watermarkv1.Watermark) {
	if c == nil || len(marks) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := c.redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, w := range marks {
			bytes, err := proto.Marshal(w)
			if err != nil {
				return err
			}
			p.Set(ctx, name(w.GetChannelId(), w.GetStage()), bytes, ttl)
		}
		return nil
	})
	if err != nil {
		c.log.DebugContext(ctx, "cache", "err", err)
	}
}

func name(channel int64, stage string) string {
	return "tidemark:watermark:" + stage + ":" + strconv.FormatInt(channel, 10)
}
