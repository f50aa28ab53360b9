package metrics

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// ours are the series that Tidemark declares, as opposed to those of the runtime.
var ours = regexp.MustCompile(`^(tidemark|scheduler|parser|watermark|grpc)_`)

var fqName = regexp.MustCompile(`fqName: "([^"]+)"`)

// declared are the names of all series that a registry's collectors declare, moved or not.
func declared(r *prometheus.Registry) (names []string) {
	descs := make(chan *prometheus.Desc)
	go func() { r.Describe(descs); close(descs) }()
	for d := range descs {
		if name := fqName.FindStringSubmatch(d.String()); name != nil && ours.MatchString(name[1]) {
			names = append(names, name[1])
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// observed notes, of many looks, which series ever moved: a counter by counting, a histogram by observing, a gauge by having two values. A child of
// a gauge that is not there counts as 0.
type observed struct {
	mu          sync.Mutex
	moved       map[string]bool
	first, seen map[string]float64
	looks       int
}

func newObserved() *observed {
	return &observed{moved: map[string]bool{}, first: map[string]float64{}, seen: map[string]float64{}}
}

// look takes one look; a state that cannot be read at the moment is just absent.
func (o *observed) look(r *prometheus.Registry) error {
	families, err := r.Gather()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.looks++
	for _, f := range families {
		for _, m := range f.GetMetric() {
			o.note(f.GetName(), m)
		}
	}
	return err
}

func (o *observed) note(name string, m *dto.Metric) {
	child := name + labels(m)
	value := m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
	if _, known := o.first[child]; !known {
		o.first[child] = value
		if o.looks > 1 || m.GetGauge() == nil {
			o.first[child] = 0
		}
	}
	if o.seen[child] = value; value != o.first[child] {
		o.moved[name] = true
	}
}

func labels(m *dto.Metric) string {
	var parts []string
	for _, l := range m.GetLabel() {
		parts = append(parts, l.GetName()+"="+l.GetValue())
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// still are those of names that never moved.
func (o *observed) still(names []string) (still []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, name := range names {
		if !o.moved[name] {
			still = append(still, name)
		}
	}
	return still
}

// value is what a child showed last, as name{label=value}.
func (o *observed) value(child string) float64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.seen[child]
}

// children are all that were ever seen.
func (o *observed) children() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Sorted(maps.Keys(o.seen))
}
