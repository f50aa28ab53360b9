package parser

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidemark/tidemark/services/parser/internal/account"
)

const (
	// late is how old the oldest unpublished event may be.
	late = time.Minute
	// redisWithin is how soon Redis must answer to count as there.
	redisWithin = time.Second
	// reconnect is how long nobody may be reachable before that counts: connections come and go.
	reconnect = 15 * time.Second
	// noAccount is no trouble yet: somebody has just installed this.
	noAccount = "no account yet: log one in with `tidemark login`"
)

// Ready is nil while Postgres answers, events get out, and some account can read, of this process or another on the same database. A parser
// that has no account at all is ready: it waits for a login, and notes that.
func (s *Service) Ready(ctx context.Context) error {
	oldest, err := s.outbox.Oldest(ctx)
	if err != nil {
		return errors.New("Postgres does not answer")
	}
	return errors.Join(s.publishes(ctx, oldest), s.reads(ctx))
}

func (s *Service) publishes(ctx context.Context, oldest time.Time) error {
	if !oldest.IsZero() {
		if age := s.now().Sub(oldest); age > late {
			return fmt.Errorf("events do not get out: the oldest waits for %s; check Redis at --redis-url", age.Round(time.Second))
		}
	}
	ctx, cancel := context.WithTimeout(ctx, redisWithin)
	defer cancel()
	if err := s.redis.Ping(ctx).Err(); err != nil {
		return errors.New("Redis does not answer: posts are stored, their events wait in Postgres; check --redis-url")
	}
	return nil
}

// reads is nil while some account can read.
func (s *Service) reads(ctx context.Context) error {
	now := s.now()
	counts, until, err := s.accountStates(ctx, now)
	if err != nil {
		return errors.New("Postgres does not answer")
	}
	return s.able.judge(counts, until, now)
}

// able remembers what Ready last saw of the accounts.
type able struct {
	mu   sync.Mutex
	last time.Time // when an account was last able to read, or could not have been told to be
	note string
}

func (a *able) judge(counts map[account.State]int, until, now time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	all, well := 0, counts[account.Active]
	for _, n := range counts {
		all += n
	}
	if well > 0 || all == 0 || a.last.IsZero() {
		a.last = now
	}
	a.note = ""
	switch {
	case all == 0:
		a.note = noAccount
	case well > 0 && well < all:
		a.note = fmt.Sprintf("%d of %d accounts cannot read: %s", all-well, all, listed(counts))
	case well > 0 || counts[account.Unreachable] > 0 && now.Sub(a.last) < reconnect:
	default:
		return fmt.Errorf("none of %d accounts can read: %s; %s", all, listed(counts), advice(counts, until))
	}
	return nil
}

// Note is what Ready saw beside.
func (s *Service) Note(context.Context) string {
	s.able.mu.Lock()
	defer s.able.mu.Unlock()
	return s.able.note
}

func listed(counts map[account.State]int) string {
	var parts []string
	for _, state := range account.Obstacles() {
		if n := counts[state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	return strings.Join(parts, ", ")
}

// advice is what helps most.
func advice(counts map[account.State]int, until time.Time) string {
	switch {
	case counts[account.Waiting] > 0:
		return "Telegram lets the first read again at " + until.Format(time.RFC3339)
	case counts[account.Unreachable] > 0:
		return "Telegram does not answer: check the network"
	}
	return "log one in with `tidemark login`"
}

// accountsAtOnce is how many accounts are listed at once.
const accountsAtOnce = 100

// accountStates counts all accounts by what keeps them from reading, Active for none; until is when the first that waits may read again.
func (s *Service) accountStates(ctx context.Context, now time.Time) (counts map[account.State]int, until time.Time, err error) {
	counts = map[account.State]int{}
	for after := account.ID(0); ; {
		found, err := s.directory.Accounts(ctx, after, accountsAtOnce, now)
		if err != nil {
			return nil, until, fmt.Errorf("look at the accounts: %w", err)
		}
		for _, a := range found {
			after = a.ID
			obstacle, end := a.Obstacle(now)
			if obstacle == "" {
				obstacle = account.Active
			}
			counts[obstacle]++
			if obstacle == account.Waiting && (until.IsZero() || end.Before(until)) {
				until = end
			}
		}
		if len(found) < accountsAtOnce {
			return counts, until, nil
		}
	}
}

// states are all that accounts are counted by.
func states() []account.State { return slices.Insert(account.Obstacles(), 0, account.Active) }
