package scheduler

import (
	"errors"
	"slices"
	"time"

	"github.com/tidemark/tidemark/kit/env"
)

// Config of the scheduler.
type Config struct {
	DatabaseURL env.Secret    `help:"Postgres, as postgres://USER:PASSWORD@HOST:PORT/NAME." placeholder:"URL"`
	Tick        time.Duration `help:"How often each channel is looked at, unless it says otherwise." default:"5m"`
	Workers     int           `help:"Channels read at the same time." default:"8"`
	SlicePages  int           `help:"Pages of 100 messages that one slice of a channel reads at most." default:"50"`
	RunTimeout  time.Duration `help:"Time that one slice gets at most." default:"2m"`

	Lookback []time.Duration `help:"Ages at which posts are read again, for edits, deletions and counters; none: only the newest page, when Telegram says that something changed." default:"1h,6h,24h,168h"`
}

// Validate answers every complaint at once.
func (c Config) Validate() error {
	var complaints []error
	complain := func(wrong bool, text string) {
		if wrong {
			complaints = append(complaints, errors.New(text))
		}
	}
	complain(c.DatabaseURL == "", "--database-url is required")
	complain(c.Tick < time.Second, "--tick must be at least 1s")
	complain(c.Workers < 1 || c.Workers > 1000, "--workers must be 1 to 1000")
	complain(c.SlicePages < 1 || c.SlicePages > 1000, "--slice-pages must be 1 to 1000")
	complain(c.RunTimeout < 10*time.Second, "--run-timeout must be at least 10s")
	complain(!slices.IsSorted(c.Lookback) || len(c.Lookback) > 0 && c.Lookback[0] < time.Minute || len(c.Lookback) > 10, "--lookback must be at most 10 ages from 1m on, ascending")
	return errors.Join(complaints...)
}
