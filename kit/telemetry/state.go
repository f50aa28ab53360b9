package telemetry

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Gauge describes a series of a state; Labels are few and of few values.
type Gauge struct {
	Name, Help string
	Labels     []string
}

// Show shows a value of a gauge by its name, with its labels' values in order.
type Show func(name string, value float64, labels ...string)

// State is a collector of gauges that are read where the state is kept, in the moment in which somebody looks: nothing is counted on the side, which
// could stand still or be wrong after a restart. When reading fails, what was not yet shown is absent; the service's health says why.
func State(gauges []Gauge, read func(context.Context, Show) error) prometheus.Collector {
	s := state{read: read, descs: map[string]*prometheus.Desc{}}
	for _, g := range gauges {
		s.descs[g.Name] = prometheus.NewDesc(g.Name, g.Help, g.Labels, nil)
	}
	return s
}

// readWithin bounds one look, so that a slow store holds no scrape up.
const readWithin = 3 * time.Second

type state struct {
	read  func(context.Context, Show) error
	descs map[string]*prometheus.Desc
}

// Describe is prometheus.Collector's.
func (s state) Describe(to chan<- *prometheus.Desc) {
	for _, d := range s.descs {
		to <- d
	}
}

// Collect is prometheus.Collector's.
func (s state) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), readWithin)
	defer cancel()
	_ = s.read(ctx, func(name string, value float64, labels ...string) { // health tells of errors
		to <- prometheus.MustNewConstMetric(s.descs[name], prometheus.GaugeValue, value, labels...)
	})
}

// Age is the seconds from an instant to now; 0 for an absent one.
func Age(since, now time.Time) float64 {
	if since.IsZero() {
		return 0
	}
	return max(0, now.Sub(since).Seconds())
}
