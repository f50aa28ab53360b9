package scheduler

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// patience is how old the last good tick may be: two are due in it.
	patience = 2 * tickEvery
	// tickTakes is what a tick that goes on may take on top: it asks Telegram about all that is due, which may be slow.
	tickTakes = 15 * time.Second
)

// Ready is nil while ticks end well, here or in another scheduler on the same database: all ask the store when the last one did.
func (s *Service) Ready(ctx context.Context) error {
	_, age, err := s.store.LastTick(ctx)
	if err != nil {
		return errors.New("Postgres does not answer")
	}
	now := s.deps.Now()
	age = min(age, now.Sub(s.opened)).Round(time.Second) // before this process there may have been none
	began, problem := s.ticker.Problem()
	switch {
	case age > patience && problem != nil:
		return fmt.Errorf("no tick for %s: %w", age, problem)
	case age > patience+tickTakes && !began.IsZero():
		return fmt.Errorf("no tick for %s: one has been going on for %s", age, now.Sub(began).Round(time.Second))
	case age > patience+tickTakes:
		return fmt.Errorf("no tick for %s", age)
	}
	return nil
}

// Note says when the last tick here failed: others may tick, or the next may end well.
func (s *Service) Note(context.Context) string {
	if _, problem := s.ticker.Problem(); problem != nil {
		return "the last tick of this scheduler failed: " + problem.Error()
	}
	return ""
}
