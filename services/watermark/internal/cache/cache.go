// Package cache keeps watermarks in Redis as protobuf bytes, for readers who ask often. Redis may lose all of it at any moment: no answer
// changes, it only comes from Postgres again.
//
// A cache beside a store answers wrong when a slow reader puts an old value over a newer one, or when a writer dies between
// its commit and its invalidation. Three rules rule that out:
//
//   - A writer says so before it writes (a token in the mark's busy set). While anybody writes, readers go to Postgres and put nothing. A
//     writer that dies leaves its token behind until it expires, long after its transaction can have ended: slower, never wrong.
//   - A value carries the mark's version and never replaces a higher one. The writer leaves the new value when it is done.
//   - Who wipes Redis wipes tokens and versions, too. So there is an epoch: a reader notes it before it asks Postgres and puts its
//     value only into the same epoch; a writer whose token is gone ends the epoch.
//
// When Redis does not answer, everything works as if there were no cache.
package cache

import (
	"context"
	"crypto/rand"
	"log/slog"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/proto"

	watermarkv1 "github.com/tidemark/tidemark/gen/tidemark/watermark/v1"
	"github.com/tidemark/tidemark/services/watermark/internal/mark"
)

const (
	// ttl bounds how long a value stays; longer than slowest, far longer than any read.
	ttl = 30 * time.Second
	// busyFor outlives any transaction of a writer.
	busyFor = 3 * time.Minute
	// slowest read that may still put its value.
	slowest = 5 * time.Second
	// patience with Redis before it is done without.
	patience = 250 * time.Millisecond

	epochKey = "tidemark:watermark:epoch"
)

var (
	// KEYS epoch, busy, value; ARGV epoch, version, bytes, ttl ms.
	fill = redis.NewScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
local v = redis.call('HGET', KEYS[3], 'v')
if v and tonumber(v) >= tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[3], 'v', ARGV[2], 'b', ARGV[3])
redis.call('PEXPIRE', KEYS[3], ARGV[4])
return 1`)

	// KEYS epoch, busy, value; ARGV token, version, bytes, ttl ms. Version 0: the outcome is not known.
	done = redis.NewScript(`
if redis.call('SREM', KEYS[2], ARGV[1]) == 0 then redis.call('DEL', KEYS[1]) end
local v = redis.call('HGET', KEYS[3], 'v')
if ARGV[2] == '0' then redis.call('DEL', KEYS[3], KEYS[1])
elseif not v or tonumber(v) < tonumber(ARGV[2]) then
  redis.call('HSET', KEYS[3], 'v', ARGV[2], 'b', ARGV[3])
  redis.call('PEXPIRE', KEYS[3], ARGV[4])
end
return 1`)
)

// Cache is nil-safe: a nil Cache never knows anything.
type Cache struct {
	redis *redis.Client
	log   *slog.Logger
	count func(outcome string)
}

// New makes a cache on a client; count hears "hit", "miss" or "down" per mark asked.
func New(client *redis.Client, log *slog.Logger, count func(outcome string)) *Cache {
	return &Cache{client, log, count}
}

// Lookup is one reader's look at the cache: what it knew, and how to put the rest.
type Lookup struct {
	Known map[mark.Key]*watermarkv1.Watermark
	cache *Cache
	epoch string
	began time.Time
}

// Look asks for marks.
func (c *Cache) Look(ctx context.Context, keys []mark.Key) *Lookup {
	l := &Lookup{Known: map[mark.Key]*watermarkv1.Watermark{}, cache: c, began: time.Now()} //nolint:forbidigo // how long it took, not when it was
	if c == nil {
		return l
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	pipe := c.redis.Pipeline()
	epoch := pipe.Get(ctx, epochKey)
	busy, values := make([]*redis.IntCmd, len(keys)), make([]*redis.StringCmd, len(keys))
	for i, k := range keys {
		busy[i], values[i] = pipe.Exists(ctx, busyKey(k)), pipe.HGet(ctx, valueKey(k), "b")
	}
	_, _ = pipe.Exec(ctx) // each answer has its own error
	l.epoch = epoch.Val()
	if l.epoch == "" {
		_ = c.redis.SetNX(ctx, epochKey, rand.Text(), 0).Err() // for the next reader
	}
	for i, k := range keys {
		l.learn(k, busy[i], values[i])
	}
	return l
}

func (l *Lookup) learn(k mark.Key, busy *redis.IntCmd, value *redis.StringCmd) {
	var w watermarkv1.Watermark
	switch bytes, err := value.Bytes(); {
	case busy.Err() != nil:
		l.cache.count("down")
	case busy.Val() == 0 && err == nil && proto.Unmarshal(bytes, &w) == nil:
		l.Known[k] = &w
		l.cache.count("hit")
	default:
		l.cache.count("miss")
	}
}

// Put keeps what Postgres answered to this reader.
func (l *Lookup) Put(ctx context.Context, k mark.Key, w *watermarkv1.Watermark, version int64) {
	if l.cache == nil || l.epoch == "" || time.Since(l.began) > slowest {
		return
	}
	if bytes, err := proto.Marshal(w); err == nil {
		l.cache.run(ctx, fill, k, l.epoch, version, bytes)
	}
}

// Writing says that marks are about to change; the answered Write must be ended, whatever happens.
func (c *Cache) Writing(ctx context.Context, keys []mark.Key) *Write {
	w := &Write{cache: c, keys: keys}
	if c == nil {
		return w
	}
	w.token = rand.Text()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := c.redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, k := range keys {
			p.SAdd(ctx, busyKey(k), w.token)
			p.Expire(ctx, busyKey(k), busyFor)
		}
		return nil
	})
	c.complain(err)
	return w
}

// Write is one writer's announcement.
type Write struct {
	cache *Cache
	keys  []mark.Key
	token string
	known map[mark.Key]written
}

type written struct {
	mark    *watermarkv1.Watermark
	version int64
}

// Is tells what a mark has become.
func (w *Write) Is(k mark.Key, is *watermarkv1.Watermark, version int64) {
	if w.known == nil {
		w.known = map[mark.Key]written{}
	}
	w.known[k] = written{is, version}
}

// End leaves the new values; of marks that Is never named, nothing is kept.
func (w *Write) End(ctx context.Context) {
	if w.cache == nil {
		return
	}
	ctx = context.WithoutCancel(ctx)
	for _, k := range w.keys {
		now := w.known[k]
		bytes, err := proto.Marshal(now.mark)
		if err != nil {
			now.version = 0
		}
		w.cache.run(ctx, done, k, w.token, now.version, bytes)
	}
}

func (c *Cache) run(ctx context.Context, script *redis.Script, k mark.Key, who string, version int64, bytes []byte) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := script.Run(ctx, c.redis, []string{epochKey, busyKey(k), valueKey(k)}, who, version, bytes, ttl.Milliseconds()).Err()
	c.complain(err)
}

func (c *Cache) complain(err error) {
	if err != nil {
		c.log.Debug("cache", "err", err)
	}
}

func valueKey(k mark.Key) string { return "tidemark:watermark:value:" + name(k) }
func busyKey(k mark.Key) string  { return "tidemark:watermark:busy:" + name(k) }
func name(k mark.Key) string     { return string(k.Stage) + ":" + strconv.FormatInt(int64(k.Channel), 10) }
