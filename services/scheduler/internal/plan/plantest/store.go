package plantest

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/tidemark/tidemark/services/scheduler/internal/plan"
)

// Store keeps channels and runs in memory, for the core's tests. It is proved by the same suite as the real one, and is never a product engine.
type Store struct {
	Now func() time.Time // the clock of claims

	mu       sync.Mutex
	channels map[plan.ChannelID]*kept
	runs     []plan.Run // by id, from 1
	ended    int64
	queued   []plan.ChannelID
}

type kept struct {
	plan.Channel
	removed      bool
	owner        string
	claimedUntil time.Time
}

var _ plan.Store = (*Store)(nil)

// NewStore follows no channels; claims go by the clock given.
func NewStore(now func() time.Time) *Store {
	return &Store{Now: now, channels: map[plan.ChannelID]*kept{}}
}

// Queued answers the channels that jobs were asked for since the last call, and forgets them.
func (s *Store) Queued() []plan.ChannelID {
	s.mu.Lock()
	defer s.mu.Unlock()
	queued := s.queued
	s.queued = nil
	return queued
}

// Due is plan.Store's.
func (s *Store) Due(_ context.Context, now time.Time, limit int) (due []plan.Channel, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.channels {
		lost := c.owner != "" && c.claimedUntil.Before(s.Now())
		if c.removed || c.State == plan.Paused || !lost && (c.owner != "" || c.NextRunAt.After(now)) {
			continue
		}
		due = append(due, c.Channel)
	}
	slices.SortFunc(due, func(a, b plan.Channel) int {
		return cmp.Or(a.NextRunAt.Compare(b.NextRunAt), cmp.Compare(a.ID, b.ID))
	})
	due = due[:min(limit, len(due))]
	for i := range due {
		c := s.channels[due[i].ID]
		c.owner = ""
		if c.NextRunAt.After(now) {
			c.NextRunAt, due[i].NextRunAt = now, now
		}
	}
	for i := range due {
		due[i].Rereads = slices.Clone(due[i].Rereads)
	}
	return due, nil
}

// Settle is plan.Store's.
func (s *Store) Settle(_ context.Context, next []plan.Next) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range next {
		c, ok := s.channels[n.Channel]
		if !ok || c.removed || c.State == plan.Paused || c.owner != "" {
			continue
		}
		c.follow(n)
		if n.Queue && !slices.Contains(s.queued, n.Channel) {
			s.queued = append(s.queued, n.Channel)
		}
	}
	return nil
}

func (c *kept) follow(n plan.Next) {
	c.State, c.Reason, c.NextRunAt, c.Failures = n.State, n.Reason, n.At, n.Failures
	if !n.Checked.IsZero() {
		c.CheckedAt = n.Checked
	}
	if !n.Advanced.IsZero() {
		c.AdvancedAt = n.Advanced
	}
}

// Claim is plan.Store's.
func (s *Store) Claim(_ context.Context, channel plan.ChannelID, owner string, ttl time.Duration) (plan.Channel, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.channels[channel]
	switch {
	case !ok || c.removed || c.State == plan.Paused:
		return plan.Channel{}, plan.ErrUnknown
	case c.owner != "" && !c.claimedUntil.Before(s.Now()):
		return plan.Channel{}, plan.ErrTaken
	}
	c.owner, c.claimedUntil = owner, s.Now().Add(ttl)
	claimed := c.Channel
	claimed.Rereads = slices.Clone(c.Rereads)
	return claimed, nil
}

// Ask is plan.Store's.
func (s *Store) Ask(_ context.Context, channel plan.ChannelID, ids plan.Range, now time.Time) (plan.Range, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.channels[channel]
	if !ok || c.removed {
		return plan.Range{}, plan.ErrUnknown
	}
	r := plan.Asked(ids, now)
	if was := c.reread(0); was == nil {
		r.Version = 1
		c.Rereads = append(c.Rereads, r)
	} else {
		if was.Target > was.After {
			r.After, r.Target = min(r.After, was.After), max(r.Target, was.Target)
			if was.Due.Before(r.Due) {
				r.Due = was.Due
			}
		}
		r.Version = was.Version + 1
		*was = r
	}
	return plan.Range{First: r.After + 1, Last: r.Target}, nil
}

func (c *kept) reread(rung int) *plan.Reread {
	for i := range c.Rereads {
		if c.Rereads[i].Rung == rung {
			return &c.Rereads[i]
		}
	}
	return nil
}

// leave keeps what a worker says of rereads, but of those that were changed meanwhile.
func (c *kept) leave(n plan.Next) {
	c.Pts, c.PtsTop = n.Pts, n.PtsTop
	for _, r := range n.Rereads {
		was := c.reread(r.Rung)
		switch {
		case was == nil:
			r.Version = 1
			c.Rereads = append(c.Rereads, r)
		case was.Version == r.Version && *was != r:
			r.Version++
			*was = r
		}
	}
}

// Renew is plan.Store's.
func (s *Store) Renew(_ context.Context, channel plan.ChannelID, owner string, ttl time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.channels[channel]
	if !ok || c.owner != owner || c.removed || c.State == plan.Paused {
		return plan.ErrTaken
	}
	c.claimedUntil = s.Now().Add(ttl)
	return nil
}

// Release is plan.Store's.
func (s *Store) Release(_ context.Context, owner string, next plan.Next) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.channels[next.Channel]
	if !ok || c.owner != owner {
		return plan.ErrTaken
	}
	before := c.Channel
	c.owner = ""
	c.follow(next)
	c.leave(next)
	if before.State == plan.Paused {
		c.State, c.Reason, c.NextRunAt = before.State, before.Reason, time.Time{}
	}
	if c.removed {
		c.NextRunAt = time.Time{}
	}
	return nil
}

// Begin is plan.Store's.
func (s *Store) Begin(_ context.Context, channel plan.ChannelID, mode plan.Mode, now time.Time) (plan.RunID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.runs {
		if r := &s.runs[i]; r.Channel == channel && r.Outcome == plan.Running {
			s.ended++
			r.Outcome, r.FinishedAt, r.Sequence, r.Reason = plan.Lost, now, s.ended, "LOST"
		}
	}
	id := plan.RunID(len(s.runs) + 1)
	s.runs = append(s.runs, plan.Run{ID: id, Channel: channel, Mode: mode, Outcome: plan.Running, StartedAt: now})
	return id, nil
}

// End is plan.Store's.
func (s *Store) End(_ context.Context, r plan.Run) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if int(r.ID) < 1 || int(r.ID) > len(s.runs) || s.runs[r.ID-1].Outcome != plan.Running {
		return plan.ErrTaken
	}
	s.ended++
	was := s.runs[r.ID-1]
	r.Channel, r.Mode, r.StartedAt, r.Sequence = was.Channel, was.Mode, was.StartedAt, s.ended
	s.runs[r.ID-1] = r
	return nil
}
