// Package ingesttest has what tests of the parser share: a store in memory, a made-up Telegram, and what every store must do.
package ingesttest

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

// Memory is a store for tests.
type Memory struct {
	// Fail, when set, is asked before each page is saved.
	Fail func() error

	mu     sync.Mutex
	posts  map[place]ingest.Stored
	events []string
	bad    map[place]ingest.Quarantined
}

type place struct {
	channel ingest.ChannelID
	message ingest.MessageID
}

var (
	_ ingest.Store      = (*Memory)(nil)
	_ ingest.Quarantine = (*Memory)(nil)
	_ ingest.Reader     = (*Memory)(nil)
)

// NewMemory is an empty one.
func NewMemory() *Memory {
	return &Memory{posts: map[place]ingest.Stored{}, bad: map[place]ingest.Quarantined{}}
}

func (m *Memory) strikes(channel ingest.ChannelID) ingest.Strikes {
	strikes := ingest.Strikes{}
	for at, q := range m.bad {
		if at.channel == channel {
			strikes[at.message] = q.Failures
		}
	}
	return strikes
}

// judge counts failures, and forgets those of messages that could be read now, or are gone.
func (m *Memory) judge(channel ingest.ChannelID, page ingest.Page, now time.Time) {
	failed := map[place]bool{}
	for _, u := range page.Unreadable {
		at := place{channel, u.Message}
		if failed[at] {
			continue
		}
		failed[at] = true
		q, known := m.bad[at]
		if !known {
			q.FirstFailed = now
		}
		q.Channel, q.Message, q.Last, q.Problem, q.Raw, q.LastFailed = channel, u.Message, u.IDs().Last, u.Problem, bytes.Clone(u.Raw), now
		q.Failures++
		m.bad[at] = q
	}
	for at, q := range m.bad {
		read := page.Covered.Contains(q.Message) && page.Covered.Contains(q.Last) || slices.ContainsFunc(page.Posts, func(p ingest.Post) bool { return p.Message == at.message })
		still := slices.ContainsFunc(page.Unreadable, func(u ingest.Unreadable) bool { return u.Message >= q.Message && u.Message <= q.Last })
		if at.channel == channel && read && !still {
			delete(m.bad, at)
		}
	}
}

// Quarantined is ingest.Quarantine's.
func (m *Memory) Quarantined(_ context.Context, channel ingest.ChannelID, after ingest.Quarantined, limit int, raw bool) (found []ingest.Quarantined, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	order := func(a, b ingest.Quarantined) int {
		return cmp.Or(cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.Message, b.Message))
	}
	for _, q := range m.bad {
		if q.Failures < 2 || channel != 0 && q.Channel != channel || order(q, after) <= 0 {
			continue
		}
		if !raw {
			q.Raw = nil
		}
		found = append(found, q)
	}
	slices.SortFunc(found, order)
	return found[:min(limit, len(found))], nil
}

// SavePage keeps what Decide says.
func (m *Memory) SavePage(_ context.Context, channel ingest.ChannelID, page ingest.Page, now time.Time) (ingest.Saved, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.Fail != nil {
		if err := m.Fail(); err != nil {
			return ingest.Saved{}, err
		}
	}
	var known []ingest.Known
	for at, s := range m.posts {
		if at.channel == channel {
			known = append(known, ingest.Known{
				Message: at.message, Revision: s.Revision, Content: s.Content, Counters: s.Counters, PostedAt: s.PostedAt, EditedAt: s.EditedAt, ReadAt: s.ChangedAt,
				IsDeleted: !s.DeletedAt.IsZero(), FirstSeenAt: s.FirstSeenAt,
			})
		}
	}
	slices.SortFunc(known, func(a, b ingest.Known) int { return cmp.Compare(a.Message, b.Message) })
	c := ingest.Decide(channel, page, known, m.strikes(channel), now)
	if c.Restarted {
		return ingest.Saved{}, ingest.ErrRestarted
	}
	for _, s := range c.Posts {
		at := place{channel, s.Message}
		s.Raw = bytes.Clone(s.Raw)
		m.posts[at] = s
	}
	for _, id := range c.Deleted {
		s := m.posts[place{channel, id}]
		s.DeletedAt = now
		if page.ReadAt.After(s.ChangedAt) {
			s.ChangedAt = page.ReadAt
		}
		m.posts[place{channel, id}] = s
	}
	m.judge(channel, page, now)
	for _, e := range c.Events {
		m.events = append(m.events, label(e))
	}
	return c.Saved, nil
}

// Events are the ids of all events, in order.
func (m *Memory) Events() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.events)
}

// Posts are some posts of a channel.
func (m *Memory) Posts(_ context.Context, channel ingest.ChannelID, ids []ingest.MessageID, raw bool) ([]ingest.Post, error) {
	return m.list(func(p ingest.Post) bool { return p.Channel == channel && slices.Contains(ids, p.Message) }, raw), nil
}

// List is a page of a channel's posts.
func (m *Memory) List(_ context.Context, q ingest.Query) ([]ingest.Post, error) {
	found := m.list(func(p ingest.Post) bool {
		switch {
		case p.Channel != q.Channel || p.Message < q.Within.First || q.Within.Last > 0 && p.Message > q.Within.Last:
		case q.After > 0 && (q.Descending && p.Message >= q.After || !q.Descending && p.Message <= q.After):
		case p.PostedAt.Before(q.Since) || !q.Until.IsZero() && !p.PostedAt.Before(q.Until):
		case q.HideDeleted && !p.DeletedAt.IsZero():
		default:
			return true
		}
		return false
	}, false)
	if q.Descending {
		slices.Reverse(found)
	}
	return found[:min(len(found), q.Limit)], nil
}

func (m *Memory) list(want func(ingest.Post) bool, raw bool) (found []ingest.Post) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for s := range maps.Values(m.posts) {
		if !raw {
			s.Raw = nil
		}
		if want(s.Post) {
			found = append(found, s.Post)
		}
	}
	slices.SortFunc(found, func(a, b ingest.Post) int { return cmp.Compare(a.Message, b.Message) })
	return found
}
