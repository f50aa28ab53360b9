package parser

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// measureEvery is how often the outbox is counted.
const measureEvery = 5 * time.Second

// gauges show how events get out.
type gauges struct {
	unsent, oldest prometheus.Gauge
	published      prometheus.Counter
}

func newGauges(r prometheus.Registerer) gauges {
	g := gauges{
		unsent:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "parser_outbox_unsent", Help: "Events that wait to be published."}),
		oldest:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "parser_outbox_oldest_seconds", Help: "Age of the oldest event that waits to be published."}),
		published: prometheus.NewCounter(prometheus.CounterOpts{Name: "parser_events_published_total", Help: "Events added to the stream, repeats included."}),
	}
	r.MustRegister(g.unsent, g.oldest, g.published)
	return g
}

func (s *Service) measure(ctx context.Context) {
	b, err := s.outbox.Backlog(ctx)
	if err != nil {
		return // Ready tells
	}
	s.gauges.unsent.Set(float64(b.Unsent))
	age := 0.0
	if !b.Oldest.IsZero() {
		age = s.now().Sub(b.Oldest).Seconds()
	}
	s.gauges.oldest.Set(age)
}
