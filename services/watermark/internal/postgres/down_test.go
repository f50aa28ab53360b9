package postgres

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidemark/tidemark/kit/pg"
	"github.com/tidemark/tidemark/services/watermark/internal/mark"
)

func TestAServerThatDoesNotAnswerIsErrDown(t *testing.T) {
	t.Parallel()
	config, err := pg.Config("postgres://u:hunter2@127.0.0.1:1/x", pg.Options{App: t.Name()})
	if err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	s, now := New(pool), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	k := mark.Key{Channel: 1, Stage: mark.Parse}
	_, get := s.Get(t.Context(), []mark.Key{k})
	_, versions := s.Versions(t.Context(), []mark.Key{k})
	_, list := s.List(t.Context(), mark.Filter{}, mark.Key{}, 1)
	_, advance := s.Advance(t.Context(), []mark.Step{{Key: k, Top: 1}}, now)
	_, rewind := s.Rewind(t.Context(), mark.Rewind{Key: k, All: true, Reason: "x", Version: 1}, now)
	check := s.Check(t.Context(), []mark.Check{{Key: k, State: mark.Idle, At: now}})
	for name, err := range map[string]error{"get": get, "versions": versions, "list": list, "advance": advance, "rewind": rewind, "check": check} {
		if !errors.Is(err, mark.ErrDown) {
			t.Errorf("%s: got %v, want %v", name, err, mark.ErrDown)
		}
	}
}
