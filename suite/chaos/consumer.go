package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidemark/tidemark/suite/truth"
)

const stream = "tidemark:posts"

// consumer reads the stream all the time, as a stage behind Tidemark would; it survives whatever happens to Redis.
type consumer struct {
	client *redis.Client

	mu       sync.Mutex
	seen     map[string]bool    // event ids
	labels   map[string]bool    // of events, without the digests of their contents
	order    map[int64][]string // of each channel, as they came first
	repeated int
	read     int
}

func newConsumer(client *redis.Client) *consumer {
	return &consumer{client: client, seen: map[string]bool{}, labels: map[string]bool{}, order: map[int64][]string{}}
}

// group is the consumer group of the one who reads in one.
const group = "chaos"

// runInGroup reads as most stages do: in a consumer group, acknowledging what it has taken. A group that is gone with the stream is made again, from
// the stream's beginning. What was given and not acknowledged, because Redis went away in between, is taken first.
func (c *consumer) runInGroup(ctx context.Context) {
	for from := "0"; ctx.Err() == nil; {
		streams, err := c.client.XReadGroup(ctx, &redis.XReadGroupArgs{Group: group, Consumer: "one", Streams: []string{stream, from}, Count: 1000, Block: time.Second}).Result()
		if err != nil {
			if strings.Contains(err.Error(), "NOGROUP") {
				_ = c.client.XGroupCreateMkStream(ctx, stream, group, "0").Err()
			}
			if from = "0"; errors.Is(err, redis.Nil) {
				from = ">"
			} else {
				wait(ctx, 20*time.Millisecond)
			}
			continue
		}
		taken := make([]string, 0, len(streams[0].Messages))
		for _, entry := range streams[0].Messages {
			c.take(entry)
			taken = append(taken, entry.ID)
		}
		if len(taken) == 0 { // nothing is left of what was given before
			from = ">"
		} else if err := c.client.XAck(ctx, stream, group, taken...).Err(); err != nil {
			from = "0"
		}
	}
}

// run reads until ctx ends. Ids of entries are instants, so they go on rising over a wipe.
func (c *consumer) run(ctx context.Context) {
	for last := "0"; ctx.Err() == nil; {
		streams, err := c.client.XRead(ctx, &redis.XReadArgs{Streams: []string{stream, last}, Count: 1000, Block: time.Second}).Result()
		if err != nil {
			wait(ctx, 20*time.Millisecond)
			continue
		}
		for _, entry := range streams[0].Messages {
			c.take(entry)
			last = entry.ID
		}
	}
}

func (c *consumer) take(entry redis.XMessage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := fmt.Sprint(entry.Values["id"])
	c.read++
	if c.seen[id] {
		c.repeated++
		return
	}
	var channel int64
	_, _ = fmt.Sscan(fmt.Sprint(entry.Values["channel"]), &channel)
	c.seen[id], c.labels[truth.Label(id)] = true, true
	c.order[channel] = append(c.order[channel], id)
}

// heard is true of what came, whatever its content was.
func (c *consumer) heard(label string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.labels[label]
}
