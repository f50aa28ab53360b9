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
	"net/url"
	"strconv"
	"time"

	"github.com/gomodule/redigo/redis"
	"google.golang.org/protobuf/proto"

	watermarkv1 "github.com/tidemark/tidemark/gen/tidemark/watermark/v1"
)

const (
	// ttl bounds how long a copy that nobody renews takes room.
	ttl = 5 * time.Minute
	// patience with Redis before it is done without.
	patience = 100 * time.Millisecond
	// pingPatience is for telling a Redis that is slow from one that is away.
	pingPatience = time.Second
)

// Cache is nil-safe: a nil Cache never knows anything.
type Cache struct {
	redis *redis.Pool
	log   *slog.Logger
	count func(outcome string)
}

// Wanted is a copy that a reader could use.
type Wanted struct {
	Channel int64
	Stage   string
	Etag    string // as Postgres has it now
}

// New makes a cache on connections; count hears "hit", "miss" or "down" per mark wanted.
func New(pool *redis.Pool, log *slog.Logger, count func(outcome string)) *Cache {
	return &Cache{pool, log, count}
}

// most is how many connections there are at most, and idle how many are kept.
const most, idle = 20, 5

// Open is a pool of connections to the Redis at a URL, redis://USER:PASSWORD@HOST:PORT/DB or rediss:// by TLS. It does not connect yet.
func Open(address string) (*redis.Pool, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "redis" && u.Scheme != "rediss" || u.Host == "" {
		return nil, errors.New("the Redis URL is malformed: want redis://HOST:PORT/DB")
	}
	dial := func(ctx context.Context) (redis.Conn, error) {
		return redis.DialURLContext(ctx, address, redis.DialConnectTimeout(pingPatience), redis.DialReadTimeout(pingPatience), redis.DialWriteTimeout(pingPatience))
	}
	return &redis.Pool{DialContext: dial, MaxActive: most, MaxIdle: idle, IdleTimeout: ttl}, nil
}

// Ping is nil when Redis answers.
func Ping(ctx context.Context, pool *redis.Pool) error {
	ctx, cancel := context.WithTimeout(ctx, pingPatience)
	defer cancel()
	conn, err := pool.GetContext(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_, err = redis.DoContext(conn, ctx, "PING")
	return err
}

// Get answers the copies that are current, and nil for each of the rest, in the order wanted.
func (c *Cache) Get(ctx context.Context, wanted []Wanted) []*watermarkv1.Watermark {
	known := make([]*watermarkv1.Watermark, len(wanted))
	if c == nil || len(wanted) == 0 {
		return known
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	names := make([]any, len(wanted))
	for i, w := range wanted {
		names[i] = name(w.Channel, w.Stage)
	}
	copies, err := c.read(ctx, names)
	if err != nil {
		c.down(len(wanted), err)
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

func (c *Cache) read(ctx context.Context, names []any) ([][]byte, error) {
	conn, err := c.redis.GetContext(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	return redis.ByteSlices(redis.DoContext(conn, ctx, "MGET", names...))
}

func (c *Cache) down(marks int, err error) {
	c.log.Debug("cache", "err", err)
	for range marks {
		c.count("down")
	}
}

// current is what a copy says, nil when it is missing, unreadable or not the one wanted.
func current(bytes []byte, want Wanted) *watermarkv1.Watermark {
	if bytes == nil {
		return nil
	}
	var w watermarkv1.Watermark
	if proto.Unmarshal(bytes, &w) != nil || w.GetChannelId() != want.Channel || w.GetStage() != want.Stage || w.GetEtag() != want.Etag {
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
	if err := c.write(ctx, marks); err != nil {
		c.log.Debug("cache", "err", err)
	}
}

// write sends all in one go, and waits for the last answer.
func (c *Cache) write(ctx context.Context, marks []*watermarkv1.Watermark) error {
	conn, err := c.redis.GetContext(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	for _, w := range marks {
		bytes, err := proto.Marshal(w)
		if err != nil {
			return err
		}
		if err := conn.Send("SET", name(w.GetChannelId(), w.GetStage()), bytes, "EX", int(ttl.Seconds())); err != nil {
			return err
		}
	}
	_, err = redis.DoContext(conn, ctx, "")
	return err
}

func name(channel int64, stage string) string {
	return "tidemark:watermark:" + stage + ":" + strconv.FormatInt(channel, 10)
}
