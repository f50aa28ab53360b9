package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const stream = "tidemark:posts"

// consumer reads the stream all the time, as a stage behind Tidemark would; it survives whatever happens to Redis.
type consumer struct {
	client *redis.Client

	mu       sync.Mutex
	seen     map[string]bool    // event ids
	order    map[int64][]string // of each channel, as they came first
	repeated int
	read     int
	wiped    int // times that the stream was there and then was not
}

func newConsumer(client *redis.Client) *consumer {
	return &consumer{client: client, seen: map[string]bool{}, order: map[int64][]string{}}
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
	c.seen[id] = true
	c.order[channel] = append(c.order[channel], id)
}

func (c *consumer) has(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen[id]
}
