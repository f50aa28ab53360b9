package scheduler

import (
	"context"

	"github.com/tidemark/tidemark/kit/telemetry"
	"github.com/tidemark/tidemark/services/scheduler/internal/jobs"
	"github.com/tidemark/tidemark/services/scheduler/internal/plan"
	"github.com/tidemark/tidemark/services/scheduler/internal/postgres"
)

// gauges are read from Postgres. All schedulers on the same database show the same.
var gauges = []telemetry.Gauge{
	{Name: "scheduler_tick_age_seconds", Help: "How long ago a tick ended well, whichever scheduler's it was."},
	{Name: "scheduler_channels", Help: "Channels by state.", Labels: []string{"state"}},
	{Name: "scheduler_channels_late", Help: "Channels that were not looked at for three of their intervals and a minute; paused and blocked ones do not count."},
	{Name: "scheduler_channel_checked_age_seconds", Help: "How long ago the longest neglected channel was looked at; paused and blocked ones do not count."},
	{Name: "scheduler_due", Help: "Channels that are due and that nobody reads."},
	{Name: "scheduler_due_oldest_seconds", Help: "How long the first of them has been due, 0 when none is."},
	{Name: "scheduler_queued", Help: "Jobs that wait for a worker."},
	{Name: "scheduler_in_flight", Help: "Channels being read now, by all schedulers."},
}

func (s *Service) show(ctx context.Context, show telemetry.Show) error {
	_, age, err := s.store.LastTick(ctx)
	if err != nil {
		return err
	}
	show("scheduler_tick_age_seconds", age.Seconds())
	now := s.deps.Now()
	late, oldest, err := s.store.Lateness(ctx, now)
	if err != nil {
		return err
	}
	show("scheduler_channels_late", float64(late))
	show("scheduler_channel_checked_age_seconds", oldest.Seconds())
	o, err := s.store.Overview(ctx, now)
	if err != nil {
		return err
	}
	for _, state := range []plan.State{plan.New, plan.Active, plan.Idle, plan.Blocked, plan.Paused} {
		show("scheduler_channels", float64(o.States[state]), string(state))
	}
	show("scheduler_due", float64(o.Due))
	show("scheduler_due_oldest_seconds", telemetry.Age(o.OldestDue, now))
	show("scheduler_in_flight", float64(o.InFlight))
	queued, err := jobs.Waiting(ctx, s.pool, postgres.Schema)
	if err == nil {
		show("scheduler_queued", float64(queued))
	}
	return err
}
