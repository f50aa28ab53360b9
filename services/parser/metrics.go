package parser

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemark/tidemark/kit/telemetry"
)

// newPublished counts how events get out.
func newPublished(r prometheus.Registerer) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "parser_events_published_total", Help: "Events added to the stream, repeats included."})
	r.MustRegister(c)
	return c
}

// gauges are read from the stores. All parsers on the same stores show the same.
var gauges = []telemetry.Gauge{
	{Name: "parser_outbox_unsent", Help: "Events that wait to be published, counted up to a million."},
	{Name: "parser_outbox_oldest_seconds", Help: "Age of the oldest event that waits to be published, 0 when none does."},
	{Name: "parser_quarantined", Help: "Messages that could not be read and are kept as raw bytes."},
	{Name: "parser_accounts", Help: "Accounts by what keeps them from reading: revoked, banned, frozen, unreachable, flooded (told to wait for more than a minute), or active for nothing.", Labels: []string{"state"}},
	{Name: "parser_stream_length", Help: "Events in the Redis stream."},
	{Name: "parser_stream_lag", Help: "Events in the stream that a consumer group has not been given yet.", Labels: []string{"group"}},
	{Name: "parser_stream_pending", Help: "Events that a consumer group was given and has not acknowledged.", Labels: []string{"group"}},
}

// show reads the states. What is in Redis comes last: it may be away.
func (s *Service) show(ctx context.Context, show telemetry.Show) error {
	now := s.now()
	b, err := s.outbox.Backlog(ctx)
	if err != nil {
		return err
	}
	show("parser_outbox_unsent", float64(b.Unsent))
	show("parser_outbox_oldest_seconds", telemetry.Age(b.Oldest, now))
	quarantined, err := s.outbox.Quarantined(ctx)
	if err != nil {
		return err
	}
	show("parser_quarantined", float64(quarantined))
	counts, _, err := s.accountStates(ctx, now)
	if err != nil {
		return err
	}
	for _, state := range states() {
		show("parser_accounts", float64(counts[state]), string(state))
	}
	return s.showStream(ctx, show)
}

func (s *Service) showStream(ctx context.Context, show telemetry.Show) error {
	ctx, cancel := context.WithTimeout(ctx, redisWithin)
	defer cancel()
	length, err := s.redis.XLen(ctx, s.config.Stream).Result()
	if err != nil {
		return err
	}
	show("parser_stream_length", float64(length))
	if length == 0 {
		return nil // perhaps there is no stream yet, of whose groups Redis would not speak
	}
	groups, err := s.redis.XInfoGroups(ctx, s.config.Stream).Result()
	for _, g := range groups {
		show("parser_stream_lag", float64(max(0, g.Lag)), g.Name)
		show("parser_stream_pending", float64(g.Pending), g.Name)
	}
	return err
}
