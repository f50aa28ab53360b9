package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/tidemark/tidemark/services/parser/tgsim/world"
)

// canary is a post that is made right after a fault; when it is stored and its event is in Redis, Tidemark has recovered.
type canary struct {
	kind    string
	channel int64
	id      int64
	since   time.Time
	took    time.Duration // 0 while it is awaited
	flooded bool          // it had to wait for Telegram's own waits
	done    chan struct{}
}

// canaries follows them all.
type canaries struct {
	stage  *stage
	world  *driver
	eyes   *consumer
	floods *floods

	mu      sync.Mutex
	all     []*canary
	deleted int // in Telegram, before anybody could read them
}

// release posts one in a channel that is well, whose history is in.
func (c *canaries) release(ctx context.Context, kind string, since time.Time, pick *rand.Rand) (*canary, error) {
	channel := c.world.well(pick)
	if channel == 0 {
		return nil, nil
	}
	id, err := c.stage.telegram.post(ctx, channel, "canary after "+kind)
	if err != nil {
		return nil, err
	}
	one := &canary{kind: kind, channel: channel, id: id, since: since, done: make(chan struct{})}
	c.mu.Lock()
	c.all = append(c.all, one)
	c.mu.Unlock()
	return one, nil
}

// run looks for those that are awaited until ctx ends.
func (c *canaries) run(ctx context.Context) {
	for wait(ctx, 100*time.Millisecond) {
		c.mu.Lock()
		var open []*canary
		for _, one := range c.all {
			if one.took == 0 {
				open = append(open, one)
			}
		}
		c.mu.Unlock()
		for _, one := range open {
			c.look(ctx, one)
		}
	}
}

func (c *canaries) look(ctx context.Context, one *canary) {
	if !c.eyes.heard(fmt.Sprintf("%d/%d/1/post.created", one.channel, one.id)) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	var there bool
	err := c.stage.db.QueryRow(ctx, "SELECT EXISTS (SELECT FROM parser.posts WHERE channel_id = $1 AND message_id = $2)", one.channel, one.id).Scan(&there)
	if err != nil || !there {
		return
	}
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	one.took, one.flooded = max(now.Sub(one.since), time.Millisecond), c.floods.touches(one.since, now)
	close(one.done)
}

// floods remembers when Telegram asked to wait.
type floods struct {
	mu  sync.Mutex
	all [][2]time.Time
}

func (f *floods) add(from time.Time, d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = append(f.all, [2]time.Time{from, from.Add(d)})
}

func (f *floods) touches(from, to time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, one := range f.all {
		if from.Before(one[1]) && one[0].Before(to) {
			return true
		}
	}
	return false
}

// left is how long the longest one still lasts.
func (f *floods) left() (d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, one := range f.all {
		d = max(d, time.Until(one[1]))
	}
	return d
}

// gone forgets those that were deleted in Telegram before anybody could read them.
func (c *canaries) gone(channel int64, truth world.Truth) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := len(c.all)
	c.all = slices.DeleteFunc(c.all, func(one *canary) bool {
		return one.took == 0 && one.channel == channel && slices.Contains(truth.Deleted, int(one.id))
	})
	c.deleted += before - len(c.all)
}

// String tells of a slow one.
func (c *canary) String() string {
	return fmt.Sprintf("%d/%d after %q at %s: %s", c.channel, c.id, c.kind, c.since.Format(time.TimeOnly), c.took.Round(100*time.Millisecond))
}
