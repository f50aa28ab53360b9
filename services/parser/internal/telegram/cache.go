package telegram

import (
	"context"
	"sync"

	"github.com/tidemark/tidemark/services/parser/internal/account"
	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

// cacheSize bounds the channels that are kept in memory; they come back from the store at the price of one look-up.
const cacheSize = 10_000

// cache keeps what pages need of a channel at hand.
type cache struct {
	store account.Peers

	mu       sync.Mutex
	channels map[ingest.ChannelID]cached
}

type cached struct {
	peers []account.Peer
	top   ingest.MessageID // the highest id ever seen to exist: ids up to it are used up
}

func newCache(store account.Peers) *cache {
	return &cache{store: store, channels: map[ingest.ChannelID]cached{}}
}

// peers are all accounts' ways to a channel.
func (c *cache) peers(ctx context.Context, channel ingest.ChannelID) ([]account.Peer, error) {
	c.mu.Lock()
	known := c.channels[channel].peers
	c.mu.Unlock()
	if len(known) > 0 {
		return known, nil
	}
	found, err := c.store.Peers(ctx, int64(channel))
	if err != nil {
		return nil, err
	}
	c.change(channel, func(entry *cached) { entry.peers = found })
	return found, nil
}

// forget makes the next look-up ask the store.
func (c *cache) forget(channel ingest.ChannelID) {
	c.change(channel, func(entry *cached) { entry.peers = nil })
}

// forgetAll makes all next look-ups ask the store: an account came or went.
func (c *cache) forgetAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for channel, entry := range c.channels {
		entry.peers = nil
		c.channels[channel] = entry
	}
}

// sawTop notes an id that exists, and answers the highest one known.
func (c *cache) sawTop(channel ingest.ChannelID, id ingest.MessageID) ingest.MessageID {
	var top ingest.MessageID
	c.change(channel, func(entry *cached) {
		entry.top = max(entry.top, id)
		top = entry.top
	})
	return top
}

func (c *cache) change(channel ingest.ChannelID, fn func(*cached)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry, ok := c.channels[channel]
	if !ok && len(c.channels) >= cacheSize {
		for some := range c.channels { // any one will do
			delete(c.channels, some)
			break
		}
	}
	fn(&entry)
	c.channels[channel] = entry
}
