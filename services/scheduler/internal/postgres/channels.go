package postgres

import (
	"context"
	"time"

	"github.com/tidemark/tidemark/services/scheduler/internal/plan"
	"github.com/tidemark/tidemark/services/scheduler/internal/postgres/db"
)

// Add follows a channel and answers it, and whether it was not followed before.
func (s *Store) Add(ctx context.Context, c plan.Channel, now time.Time) (plan.Channel, bool, error) {
	added, err := db.New(s.pool).AddChannel(ctx, db.AddChannelParams{
		ChannelID: int64(c.ID), Username: c.Username, Title: c.Title, Supergroup: c.Supergroup, Protected: c.Protected,
		IntervalMs: c.Interval.Milliseconds(), HorizonMs: c.Horizon.Age.Milliseconds(), HorizonMessages: c.Horizon.Messages, Now: now,
	})
	if err != nil {
		return plan.Channel{}, false, failed("add a channel", err)
	}
	stored, err := s.Channel(ctx, c.ID)
	return stored, added, err
}

// Channel is one channel, ErrUnknown when it is not followed.
func (s *Store) Channel(ctx context.Context, id plan.ChannelID) (plan.Channel, error) {
	row, err := db.New(s.pool).GetChannel(ctx, int64(id))
	return toChannel(row), failed("read a channel", err)
}

// Channels is a page behind after, by id; an empty state is all.
func (s *Store) Channels(ctx context.Context, state plan.State, after plan.ChannelID, limit int) ([]plan.Channel, error) {
	rows, err := db.New(s.pool).ListChannels(ctx, db.ListChannelsParams{After: int64(after), State: string(state), Most: int32(limit)})
	return toChannels(rows), failed("list channels", err)
}

// Update changes a channel's settings; nil leaves one as it is.
func (s *Store) Update(ctx context.Context, id plan.ChannelID, interval *time.Duration, horizon *plan.Horizon, now time.Time) (plan.Channel, error) {
	p := db.UpdateChannelParams{ChannelID: int64(id), Now: now}
	if interval != nil {
		p.SetInterval, p.IntervalMs = true, interval.Milliseconds()
	}
	if horizon != nil {
		p.SetHorizon, p.HorizonMs, p.HorizonMessages = true, horizon.Age.Milliseconds(), horizon.Messages
	}
	row, err := db.New(s.pool).UpdateChannel(ctx, p)
	return toChannel(row), failed("update a channel", err)
}

// Pause stops looking at a channel; a worker that runs it loses its claim.
func (s *Store) Pause(ctx context.Context, id plan.ChannelID, note string) (plan.Channel, error) {
	row, err := db.New(s.pool).PauseChannel(ctx, db.PauseChannelParams{ChannelID: int64(id), Note: note})
	return toChannel(row), failed("pause a channel", err)
}

// Resume looks at a paused channel again, at once.
func (s *Store) Resume(ctx context.Context, id plan.ChannelID, now time.Time) (plan.Channel, error) {
	row, err := db.New(s.pool).ResumeChannel(ctx, db.ResumeChannelParams{ChannelID: int64(id), Now: now})
	return toChannel(row), failed("resume a channel", err)
}

// Remove stops following a channel; removing one that is not followed is ErrUnknown.
func (s *Store) Remove(ctx context.Context, id plan.ChannelID, now time.Time) error {
	n, err := db.New(s.pool).RemoveChannel(ctx, db.RemoveChannelParams{ChannelID: int64(id), Now: now})
	if err == nil && n == 0 {
		return plan.ErrUnknown
	}
	return failed("remove a channel", err)
}

// Trigger makes a channel due, and answers whether that changed anything.
func (s *Store) Trigger(ctx context.Context, id plan.ChannelID, now time.Time) (bool, error) {
	done, err := db.New(s.pool).TriggerChannel(ctx, db.TriggerChannelParams{ChannelID: int64(id), Now: now})
	if err == nil && done.Paused {
		return false, plan.ErrPaused
	}
	return done.Queued, failed("trigger a channel", err)
}

// Overview is how the whole is.
type Overview struct {
	States        map[plan.State]int
	Due, InFlight int
	OldestDue     time.Time // zero: nothing is due
	LastProgress  time.Time // zero: never
}

// Overview counts.
func (s *Store) Overview(ctx context.Context, now time.Time) (o Overview, err error) {
	q := db.New(s.pool)
	states, err := q.CountStates(ctx)
	if err != nil {
		return o, failed("count channels", err)
	}
	o.States = map[plan.State]int{}
	for _, row := range states {
		o.States[plan.State(row.State)] = int(row.Channels)
	}
	work, err := q.CountWork(ctx, now)
	if err != nil {
		return o, failed("count work", err)
	}
	o.Due, o.InFlight = int(work.Due), int(work.InFlight)
	due, err := q.OldestDue(ctx, now)
	if err != nil {
		return o, failed("find the oldest due", err)
	}
	progress, err := q.LastProgress(ctx)
	o.OldestDue, o.LastProgress = first(due), first(progress)
	return o, failed("find the last progress", err)
}

func first(instants []*time.Time) time.Time {
	if len(instants) == 0 {
		return time.Time{}
	}
	return instant(instants[0])
}
