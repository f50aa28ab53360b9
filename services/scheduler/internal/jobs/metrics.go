package jobs

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemark/tidemark/services/scheduler/internal/plan"
)

// Metrics counts what the core did.
type Metrics struct {
	ticks, runs *prometheus.CounterVec
	seconds     *prometheus.HistogramVec
}

// NewMetrics registers the series.
func NewMetrics(r prometheus.Registerer) Metrics {
	m := Metrics{
		ticks:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "scheduler_ticks_total", Help: "Ticks by outcome."}, []string{"outcome"}),
		runs:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "scheduler_runs_total", Help: "Runs that ended, by mode and outcome."}, []string{"mode", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "scheduler_run_seconds", Help: "How long runs took.", Buckets: prometheus.ExponentialBuckets(0.01, 3, 10)}, []string{"mode"}),
	}
	r.MustRegister(m.ticks, m.runs, m.seconds)
	return m
}

// Ticked counts a tick.
func (m Metrics) Ticked(_ plan.Ticked, err error) {
	outcome := "done"
	if err != nil {
		outcome = "failed"
	}
	m.ticks.WithLabelValues(outcome).Inc()
}

// Ended counts a run.
func (m Metrics) Ended(r plan.Run) {
	m.runs.WithLabelValues(string(r.Mode), string(r.Outcome)).Inc()
	m.seconds.WithLabelValues(string(r.Mode)).Observe(r.FinishedAt.Sub(r.StartedAt).Seconds())
}
