package ingesttest

import (
	"context"
	"fmt"
	"time"

	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

// Message is one place of a made-up channel: a post, or a service message.
type Message struct {
	Service    bool
	Unreadable bool
}

// World is one made-up channel, read as Telegram is: some messages at a time, gaps passed over.
type World struct {
	Channel  ingest.ChannelID
	Messages map[ingest.MessageID]Message
	Top      ingest.MessageID // highest id ever given out
	PageSize int
	// Fail, when set, is asked before each page.
	Fail func() error
	// Asked counts pages.
	Asked int

	known ingest.MessageID
}

var _ ingest.Source = (*World)(nil)

// Epoch is when message 0 would have been published; each later one came a minute after.
var Epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// PostedAt is when a message was published.
func PostedAt(id ingest.MessageID) time.Time { return Epoch.Add(time.Duration(id) * time.Minute) }

// Resolve knows the channel by its id only.
func (w *World) Resolve(_ context.Context, ref ingest.Ref) (ingest.Channel, error) {
	if ref.ID == w.Channel {
		return ingest.Channel{ID: w.Channel, Title: "made up"}, nil
	}
	return ingest.Channel{}, ingest.ErrUnknown
}

// Probe answers the top of the channel.
func (w *World) Probe(_ context.Context, channels []ingest.ChannelID) (probes []ingest.Probe, err error) {
	for _, c := range channels {
		p := ingest.Probe{Channel: c, Top: w.Top}
		if c != w.Channel {
			p = ingest.Probe{Channel: c, Err: ingest.ErrPrivate}
		}
		probes = append(probes, p)
	}
	return probes, nil
}

// Page reads PageSize messages from the end that dir names, and proves all ids up to the last of them, or the whole range.
func (w *World) Page(ctx context.Context, channel ingest.ChannelID, within ingest.Range, dir ingest.Direction) (page ingest.Page, err error) {
	w.Asked++
	if w.Fail != nil {
		if err := w.Fail(); err != nil {
			return page, err
		}
	}
	if ctx.Err() != nil || channel != w.Channel {
		return page, fmt.Errorf("read channel %d: %w", channel, ingest.ErrUnreachable)
	}
	last := min(within.Last, max(w.Top, w.known))
	if within.First > last {
		return page, nil // not given out yet: proves nothing
	}
	page.Covered = ingest.Range{First: within.First, Last: last}
	step, at := ingest.MessageID(1), within.First
	if dir == ingest.Down {
		step, at = -1, last
	}
	for ; at >= within.First && at <= last; at += step {
		m, there := w.Messages[at]
		if !there {
			continue
		}
		w.add(&page, at, m, dir)
		if page.Messages == w.PageSize {
			if dir == ingest.Up {
				page.Covered.Last = at
			} else {
				page.Covered.First = at
			}
			break
		}
	}
	return page, nil
}

// Known is ingest.Source's.
func (w *World) Known(_ ingest.ChannelID, top ingest.MessageID) { w.known = max(w.known, top) }

func (w *World) add(page *ingest.Page, id ingest.MessageID, m Message, dir ingest.Direction) {
	page.Messages++
	page.Top = max(page.Top, id)
	at := PostedAt(id)
	if page.Oldest.IsZero() || at.Before(page.Oldest) {
		page.Oldest = at
	}
	if at.After(page.Newest) {
		page.Newest = at
	}
	switch {
	case m.Service:
	case m.Unreadable:
		page.Unreadable = append(page.Unreadable, ingest.Unreadable{Message: id, Problem: "made up"})
	case dir == ingest.Up:
		page.Posts = append(page.Posts, w.Post(id))
	default:
		page.Posts = append([]ingest.Post{w.Post(id)}, page.Posts...)
	}
}

// Post is a post of the world.
func (w *World) Post(id ingest.MessageID) ingest.Post {
	views := int32(id)
	return ingest.Post{Channel: w.Channel, Message: id, PostedAt: PostedAt(id), Text: fmt.Sprintf("message %d", id), Views: &views}
}
