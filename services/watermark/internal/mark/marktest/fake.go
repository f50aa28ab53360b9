// Package marktest holds what proves a mark.Store: a fake one on a map, and the suite that both the fake and the real one pass.
package marktest

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/tidemark/tidemark/services/watermark/internal/mark"
)

// Fake is a mark.Store in memory, for tests.
type Fake struct {
	mu    sync.Mutex
	marks map[mark.Key]mark.Mark
	Err   error // answered by every call when set
}

var _ mark.Store = (*Fake)(nil)

// NewFake makes an empty store.
func NewFake() *Fake { return &Fake{marks: map[mark.Key]mark.Mark{}} }

// Get is mark.Store's.
func (f *Fake) Get(_ context.Context, keys []mark.Key) (found []mark.Mark, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range keys {
		if m, ok := f.marks[k]; ok {
			found = append(found, m)
		}
	}
	return found, f.Err
}

// Versions is mark.Store's.
func (f *Fake) Versions(_ context.Context, keys []mark.Key) (map[mark.Key]int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	versions := map[mark.Key]int64{}
	for _, k := range keys {
		if m, ok := f.marks[k]; ok {
			versions[k] = m.Version
		}
	}
	return versions, f.Err
}

// List is mark.Store's.
func (f *Fake) List(_ context.Context, filter mark.Filter, after mark.Key, limit int) (page []mark.Mark, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.marks {
		late := !filter.CheckedBefore.IsZero() && !m.CheckedAt.Before(filter.CheckedBefore)
		if order(m.Key, after) <= 0 || filter.Stage != "" && m.Stage != filter.Stage || filter.State != "" && m.State != filter.State || late {
			continue
		}
		page = append(page, m)
	}
	slices.SortFunc(page, func(a, b mark.Mark) int { return order(a.Key, b.Key) })
	return page[:min(limit, len(page))], f.Err
}

// Advance is mark.Store's.
func (f *Fake) Advance(_ context.Context, steps []mark.Step, now time.Time) ([]mark.Result, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.Err != nil {
		return nil, f.Err
	}
	results := make([]mark.Result, len(steps))
	for i, s := range steps {
		results[i] = f.marks[s.Key].Take(s, now)
		if results[i].Err == nil {
			f.marks[s.Key] = results[i].Mark
		}
	}
	return results, nil
}

// Check is mark.Store's.
func (f *Fake) Check(_ context.Context, checks []mark.Check) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.Err != nil {
		return f.Err
	}
	for _, c := range checks {
		f.marks[c.Key] = f.marks[c.Key].Check(c)
	}
	return nil
}

// Rewind is mark.Store's.
func (f *Fake) Rewind(_ context.Context, r mark.Rewind, _ time.Time) (mark.Mark, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.Err != nil {
		return mark.Mark{}, f.Err
	}
	m, err := f.marks[r.Key].Rewind(r)
	if err != nil {
		return mark.Mark{}, err
	}
	f.marks[r.Key] = m
	return m, nil
}

func order(a, b mark.Key) int {
	return cmp.Or(cmp.Compare(a.Stage, b.Stage), cmp.Compare(a.Channel, b.Channel))
}
