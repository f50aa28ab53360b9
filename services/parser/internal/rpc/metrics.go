package rpc

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

// Metrics count what is read and what that brings.
type Metrics struct {
	pages, messages, quarantined prometheus.Counter
	posts                        *prometheus.CounterVec
}

// NewMetrics registers the counters.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		pages:       prometheus.NewCounter(prometheus.CounterOpts{Name: "parser_pages_total", Help: "Pages read and committed."}),
		messages:    prometheus.NewCounter(prometheus.CounterOpts{Name: "parser_messages_total", Help: "Messages read, service messages included."}),
		quarantined: prometheus.NewCounter(prometheus.CounterOpts{Name: "parser_messages_quarantined_total", Help: "Messages that could not be read or stored twice, and went into quarantine."}),
		posts:       prometheus.NewCounterVec(prometheus.CounterOpts{Name: "parser_posts_total", Help: "Posts written: new, changed, deleted."}, []string{"kind"}),
	}
	r.MustRegister(m.pages, m.messages, m.quarantined, m.posts)
	return m
}

func (m *Metrics) parsed(r ingest.Result) {
	m.pages.Add(float64(r.Pages))
	m.messages.Add(float64(r.Messages))
	m.quarantined.Add(float64(r.Quarantined))
	for kind, n := range map[string]int{"new": r.New, "changed": r.Changed, "deleted": r.Deleted} {
		m.posts.WithLabelValues(kind).Add(float64(n))
	}
}
