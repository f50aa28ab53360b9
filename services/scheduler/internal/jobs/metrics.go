package jobs

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemark/tidemark/services/scheduler/internal/plan"
)

// Metrics counts what the core did.
type Metrics struct {
	ticks, runs, posts *prometheus.CounterVec
	seconds            *prometheus.HistogramVec
	due, inFlight      prometheus.Gauge
}

// NewMetrics registers the series.
func NewMetrics(r prometheus.Registerer) Metrics {
	m := Metrics{
		ticks:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "scheduler_ticks_total", Help: "Ticks by outcome."}, []string{"outcome"}),
		runs:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "scheduler_runs_total", Help: "Runs that ended, by mode and outcome."}, []string{"mode", "outcome"}),
		posts:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "scheduler_posts_total", Help: "Posts that runs stored or changed."}, []string{"kind"}),
		seconds:  prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "scheduler_run_seconds", Help: "How long runs took.", Buckets: prometheus.ExponentialBuckets(0.01, 3, 10)}, []string{"mode"}),
		due:      prometheus.NewGauge(prometheus.GaugeOpts{Name: "scheduler_due", Help: "Channels that were due at the last tick."}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{Name: "scheduler_in_flight", Help: "Channels being read now."}),
	}
	r.MustRegister(m.ticks, m.runs, m.posts, m.seconds, m.due, m.inFlight)
	return m
}

// Ticked counts a tick.
func (m Metrics) Ticked(t plan.Ticked, err error) {
	outcome := "done"
	if err != nil {
		outcome = "failed"
	}
	m.ticks.WithLabelValues(outcome).Inc()
	m.due.Set(float64(t.Due))
}

// Ended counts a run.
func (m Metrics) Ended(r plan.Run) {
	m.runs.WithLabelValues(string(r.Mode), string(r.Outcome)).Inc()
	m.posts.WithLabelValues("new").Add(float64(r.New))
	m.posts.WithLabelValues("changed").Add(float64(r.Changed))
	m.seconds.WithLabelValues(string(r.Mode)).Observe(r.FinishedAt.Sub(r.StartedAt).Seconds())
}

// Working counts who is at work.
func (m Metrics) Working(work Work) Work {
	return func(ctx context.Context, channel plan.ChannelID) (bool, error) {
		m.inFlight.Inc()
		defer m.inFlight.Dec()
		return work(ctx, channel)
	}
}
