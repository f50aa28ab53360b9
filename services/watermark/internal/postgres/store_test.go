package postgres

import (
	"testing"
	"time"

	"github.com/tidemark/tidemark/kit/pg/pgtest"
	"github.com/tidemark/tidemark/services/watermark/internal/mark"
	"github.com/tidemark/tidemark/services/watermark/internal/mark/marktest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestStore(t *testing.T) {
	marktest.TestStore(t, func(t *testing.T) mark.Store { return New(pgtest.New(t, Schema, Migrations())) })
}

func TestARewindLeavesAnAuditRow(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t, Schema, Migrations())
	s, now := New(pool), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	k := mark.Key{Channel: 1, Stage: mark.Parse}
	if _, err := s.Advance(t.Context(), []mark.Step{{Key: k, Covered: []mark.Range{{First: 1, Last: 9}}}}, now); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Rewind(t.Context(), mark.Rewind{Key: k, Ranges: []mark.Range{{First: 4, Last: 50}}, Reason: "bad run", Version: 1}, now); err != nil {
		t.Fatal(err)
	}
	var removed, reason string
	var at time.Time
	err := pool.QueryRow(t.Context(), "SELECT removed::text, reason, rewound_at FROM watermark.rewinds").Scan(&removed, &reason, &at)
	if err != nil || removed != "{[4,10)}" || reason != "bad run" || !at.Equal(now) {
		t.Errorf("got %s, %q, %s, %v, want what was taken back, why and when", removed, reason, at, err)
	}
}

func BenchmarkAdvance(b *testing.B) {
	s := New(pgtest.New(b, Schema, Migrations()))
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for i := int64(1); b.Loop(); i++ {
		if _, err := s.Advance(b.Context(), []mark.Step{{Key: mark.Key{Channel: 1, Stage: mark.Parse}, Covered: []mark.Range{{First: i, Last: i}}, RunToken: i}}, now); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAdvanceOfAWideMark(b *testing.B) {
	s := New(pgtest.New(b, Schema, Migrations()))
	k, now := mark.Key{Channel: 1, Stage: mark.Parse}, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	covered := make([]mark.Range, 10_000)
	for i := range covered {
		covered[i] = mark.Range{First: int64(3*i + 1), Last: int64(3*i + 1)}
	}
	if _, err := s.Advance(b.Context(), []mark.Step{{Key: k, Covered: covered}}, now); err != nil {
		b.Fatal(err)
	}
	for i := int64(0); b.Loop(); i++ {
		if _, err := s.Advance(b.Context(), []mark.Step{{Key: k, Covered: []mark.Range{{First: 40_000 + 2*i, Last: 40_000 + 2*i}}}}, now); err != nil {
			b.Fatal(err)
		}
	}
}
