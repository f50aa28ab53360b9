package rpc

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemark/tidemark/services/watermark/internal/mark"
)

// Metrics counts what the wire saw.
type Metrics struct {
	advances, checks, cache *prometheus.CounterVec
	covered                 prometheus.Counter
}

// NewMetrics registers the series.
func NewMetrics(r prometheus.Registerer) Metrics {
	m := Metrics{
		advances: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "watermark_advances_total", Help: "Advances by outcome."}, []string{"outcome"}),
		checks:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "watermark_checks_total", Help: "Heartbeats by the state they report."}, []string{"state"}),
		covered:  prometheus.NewCounter(prometheus.CounterOpts{Name: "watermark_ids_covered_total", Help: "Message ids that became covered."}),
		cache:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "watermark_cache_reads_total", Help: "Marks asked of Redis by outcome."}, []string{"outcome"}),
	}
	r.MustRegister(m.advances, m.checks, m.cache, m.covered)
	return m
}

// CacheRead counts one mark asked of the cache.
func (m Metrics) CacheRead(outcome string) { m.cache.WithLabelValues(outcome).Inc() }

func (m Metrics) advanced(r mark.Result) {
	outcome := "done"
	if r.Err != nil {
		outcome = "refused"
	}
	m.advances.WithLabelValues(outcome).Inc()
	m.covered.Add(float64(r.Added))
}

func (m Metrics) failed(advances int) { m.advances.WithLabelValues("failed").Add(float64(advances)) }

func (m Metrics) checked(checks []mark.Check) {
	for _, c := range checks {
		m.checks.WithLabelValues(string(c.State)).Inc()
	}
}
