package telemetry

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestStateIsReadWhenSomebodyLooks(t *testing.T) {
	t.Parallel()
	waiting, down := 0, false
	c := State([]Gauge{{Name: "waiting", Help: "Waits."}, {Name: "things", Help: "Things.", Labels: []string{"kind"}}}, func(ctx context.Context, show Show) error {
		if down {
			return errors.New("the store is away")
		}
		show("waiting", float64(waiting))
		show("things", 2, "small")
		return ctx.Err()
	})
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	for waiting = range 3 {
		want := strings.ReplaceAll("# HELP waiting Waits.\n# TYPE waiting gauge\nwaiting N\n", "N", string('0'+rune(waiting)))
		if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "waiting"); err != nil {
			t.Error(err)
		}
	}
	down = true
	if n, err := testutil.GatherAndCount(registry); n != 0 || err != nil {
		t.Errorf("got %d series, %v, want none and no error of a state that cannot be read", n, err)
	}
}

func TestAge(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for since, want := range map[time.Time]float64{{}: 0, now: 0, now.Add(-time.Minute): 60, now.Add(time.Minute): 0} {
		if got := Age(since, now); got != want {
			t.Errorf("since %s: got %v, want %v", since, got, want)
		}
	}
}
