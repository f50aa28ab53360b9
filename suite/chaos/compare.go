package main

import (
	"context"
	"fmt"
	"time"

	"github.com/tidemark/tidemark/suite/truth"
)

// equal is true when no post differs from the truth.
func (h *show) equal(ctx context.Context) bool {
	for _, c := range h.world.channels {
		is, err := h.telegram.truth(ctx, c.id)
		if err != nil {
			return false
		}
		rows, err := truth.Rows(ctx, h.db, c.id)
		if err != nil || !truth.Posts(is.Posts, rows).Same() {
			return false
		}
	}
	return true
}

// compare holds everything against the truth, and writes the report.
func (h *show) compare(ctx context.Context) error {
	if err := h.audit.whole(ctx); err != nil {
		return fmt.Errorf("look for marks ahead of the data: %w", err)
	}
	h.awaitEvents(ctx)
	for _, c := range h.world.channels {
		if err := h.compareChannel(ctx, c.id); err != nil {
			return fmt.Errorf("compare channel %d: %w", c.id, err)
		}
	}
	h.report.finish(h)
	return nil
}

func (h *show) compareChannel(ctx context.Context, channel int64) error {
	is, err := h.telegram.truth(ctx, channel)
	if err != nil {
		return err
	}
	rows, err := truth.Rows(ctx, h.db, channel)
	if err != nil {
		return err
	}
	committed, err := truth.Committed(ctx, h.db, channel)
	if err != nil {
		return err
	}
	known := make(map[string]bool, len(committed))
	for _, id := range committed {
		known[truth.Label(id)] = true
	}
	for _, r := range rows { // a change that made no event at all must not go unnoticed
		for _, label := range truth.Due(channel, r) {
			if !known[label] {
				committed = append(committed, label)
			}
		}
	}
	h.canaries.gone(channel, is)
	h.report.posts(channel, truth.Posts(is.Posts, rows))
	h.eyes.mu.Lock()
	defer h.eyes.mu.Unlock()
	h.sent.mu.Lock()
	defer h.sent.mu.Unlock()
	h.report.events(channel, truth.Events(committed, truth.Delivery{
		Sent: h.sent.order, Times: h.sent.times, Came: h.eyes.order[channel], Wiped: h.report.faults["redis FLUSHALL"] > 0,
	}))
	h.report.messages += is.Top
	return nil
}

// awaitEvents gives our consumer the time to read what is there.
func (h *show) awaitEvents(ctx context.Context) {
	within, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	read := -1
	_ = every(within, time.Second, func() bool {
		h.eyes.mu.Lock()
		defer h.eyes.mu.Unlock()
		done := h.eyes.read == read
		read = h.eyes.read
		return done
	})
}
