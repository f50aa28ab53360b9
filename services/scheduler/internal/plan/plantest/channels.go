package plantest

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/tidemark/tidemark/services/scheduler/internal/plan"
)

// Add follows a channel and answers it, and whether it was not followed before.
func (s *Store) Add(_ context.Context, c plan.Channel, now time.Time) (plan.Channel, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was, ok := s.channels[c.ID]
	if ok && !was.removed {
		was.Username, was.Title, was.Protected = c.Username, c.Title, c.Protected
		return was.Channel, false, nil
	}
	c.State, c.NextRunAt, c.CreatedAt = plan.New, now, now
	if !ok {
		s.channels[c.ID] = &kept{Channel: c}
		return c, true, nil
	}
	c.CheckedAt, c.AdvancedAt, c.CreatedAt = was.CheckedAt, was.AdvancedAt, was.CreatedAt
	was.Channel, was.removed = c, false
	return c, true, nil
}

// change does something to a channel that is followed.
func (s *Store) change(id plan.ChannelID, fn func(*kept)) (plan.Channel, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.channels[id]
	if !ok || c.removed {
		return plan.Channel{}, plan.ErrUnknown
	}
	fn(c)
	return c.Channel, nil
}

// Channel is one channel, ErrUnknown when it is not followed.
func (s *Store) Channel(_ context.Context, id plan.ChannelID) (plan.Channel, error) {
	return s.change(id, func(*kept) {})
}

// Channels is a page behind after, by id; an empty state is all.
func (s *Store) Channels(_ context.Context, state plan.State, after plan.ChannelID, limit int) (page []plan.Channel, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, c := range s.channels {
		if id > after && !c.removed && (state == "" || c.State == state) {
			page = append(page, c.Channel)
		}
	}
	slices.SortFunc(page, func(a, b plan.Channel) int { return cmp.Compare(a.ID, b.ID) })
	return page[:min(limit, len(page))], nil
}

// Update changes a channel's settings; nil leaves one as it is.
func (s *Store) Update(_ context.Context, id plan.ChannelID, interval *time.Duration, horizon *plan.Horizon, now time.Time) (plan.Channel, error) {
	return s.change(id, func(c *kept) {
		if interval != nil {
			c.Interval = *interval
			if at := now.Add(*interval); c.NextRunAt.After(at) {
				c.NextRunAt = at
			}
		}
		if horizon != nil {
			c.Horizon = *horizon
		}
	})
}

// Pause stops looking at a channel.
func (s *Store) Pause(_ context.Context, id plan.ChannelID, note string) (plan.Channel, error) {
	return s.change(id, func(c *kept) { c.State, c.Reason, c.Note, c.NextRunAt = plan.Paused, "", note, time.Time{} })
}

// Resume looks at a paused channel again, at once.
func (s *Store) Resume(_ context.Context, id plan.ChannelID, now time.Time) (plan.Channel, error) {
	return s.change(id, func(c *kept) {
		if c.Note, c.Failures = "", 0; c.State == plan.Paused {
			c.State, c.NextRunAt = plan.Active, now
		}
	})
}

// Remove stops following a channel.
func (s *Store) Remove(_ context.Context, id plan.ChannelID, _ time.Time) error {
	_, err := s.change(id, func(c *kept) { c.removed, c.NextRunAt = true, time.Time{} })
	return err
}

// Trigger makes a channel due, and answers whether that changed anything.
func (s *Store) Trigger(_ context.Context, id plan.ChannelID, now time.Time) (queued bool, _ error) {
	c, err := s.change(id, func(c *kept) {
		queued = c.State != plan.Paused && (c.owner == "" || c.claimedUntil.Before(s.Now())) && c.NextRunAt.After(now)
		if c.State != plan.Paused && c.NextRunAt.After(now) {
			c.NextRunAt = now
		}
	})
	if err == nil && c.State == plan.Paused {
		err = plan.ErrPaused
	}
	return queued, err
}

// Run is one run.
func (s *Store) Run(_ context.Context, id plan.RunID) (plan.Run, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id < 1 || int(id) > len(s.runs) {
		return plan.Run{}, plan.ErrUnknown
	}
	return s.runs[id-1], nil
}

// Runs is a page of runs older than before, newest first; a zero channel and an empty outcome are all.
func (s *Store) Runs(_ context.Context, channel plan.ChannelID, outcome plan.Outcome, before plan.RunID, limit int) (page []plan.Run, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range slices.Backward(s.runs) {
		if len(page) < limit && r.ID < before && (channel == 0 || r.Channel == channel) && (outcome == "" || r.Outcome == outcome) {
			page = append(page, r)
		}
	}
	return page, nil
}

// Ended are runs in the order in which they ended, behind a sequence number.
func (s *Store) Ended(_ context.Context, channel plan.ChannelID, after int64, limit int) (page []plan.Run, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.runs {
		if r.Sequence > after && (channel == 0 || r.Channel == channel) {
			page = append(page, r)
		}
	}
	slices.SortFunc(page, func(a, b plan.Run) int { return cmp.Compare(a.Sequence, b.Sequence) })
	return page[:min(limit, len(page))], nil
}

// LastEnd is the sequence number of the run that ended last.
func (s *Store) LastEnd(context.Context) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended, nil
}
