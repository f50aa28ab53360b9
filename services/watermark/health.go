package watermark

import (
	"context"
	"errors"
	"time"

	"github.com/tidemark/tidemark/kit/telemetry"
)

// redisWithin is how soon Redis must answer to count as there.
const redisWithin = time.Second

// Ready is nil while Postgres answers.
func (s *Service) Ready(ctx context.Context) error {
	if err := s.pool.Ping(ctx); err != nil {
		return errors.New("Postgres does not answer")
	}
	return nil
}

// Note says when Redis is away: it is a cache, and reads are only slower without it.
func (s *Service) Note(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, redisWithin)
	defer cancel()
	if s.redis != nil && s.redis.Ping(ctx).Err() != nil {
		return "Redis does not answer: every read goes to Postgres; check --redis-url"
	}
	return ""
}

// gauges are read from Postgres. All watermark services on the same database show the same.
var gauges = []telemetry.Gauge{
	{Name: "watermark_marks", Help: "Marks by stage and state.", Labels: []string{"stage", "state"}},
	{Name: "watermark_missing_ids", Help: "Message ids that are still to be covered, by stage and state of their marks; those that cannot be had are not among them.", Labels: []string{"stage", "state"}},
	{Name: "watermark_unavailable_ids", Help: "Message ids that the source was asked for in vain, more than once.", Labels: []string{"stage"}},
}

func (s *Service) show(ctx context.Context, show telemetry.Show) error {
	tallies, err := s.store.Tally(ctx)
	unavailable := map[string]int64{}
	for _, t := range tallies {
		show("watermark_marks", float64(t.Marks), t.Stage, t.State)
		show("watermark_missing_ids", float64(t.Missing), t.Stage, t.State)
		unavailable[t.Stage] += t.Unavailable
	}
	for stage, n := range unavailable {
		show("watermark_unavailable_ids", float64(n), stage)
	}
	return err
}
