// Package fault is the trouble that a simulated Telegram makes on demand: flood waits, cut connections, slow answers, errors, messages
// that no client can read, revoked keys. A Rule says what, where and how often; a Set holds the rules in force.
package fault

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gotd/td/tgerr"
)

// Kind is what a Rule does.
type Kind string

// The kinds of Rule.
const (
	Flood     Kind = "flood"     // FLOOD_WAIT_X until For has passed, per account and method
	Slow      Kind = "slow"      // the answer comes For later
	Drop      Kind = "drop"      // the connection is cut instead of an answer
	Fail      Kind = "fail"      // an rpc_error of Code and Message
	Poison    Kind = "poison"    // the messages IDs of Channel come with a constructor that nobody knows, until cleared
	Duplicate Kind = "duplicate" // two connections under one key at the same time revoke it: AUTH_KEY_DUPLICATED, until cleared
)

// Rule is one trouble.
type Rule struct {
	Kind    Kind   `json:"kind"`
	Method  string `json:"method,omitempty"`  // as messages.getHistory; empty is every method but those of connecting
	Channel int64  `json:"channel,omitempty"` // bare id; 0 is any
	After   int    `json:"after,omitempty"`   // calls that pass first
	Every   int    `json:"every,omitempty"`   // of the calls after those, only each so-manieth is struck
	Count   int    `json:"count,omitempty"`   // how often it strikes: 0 is once, or without end if Every is set; -1 is without end

	For     time.Duration `json:"-"` // of flood and slow
	Code    int           `json:"code,omitempty"`
	Message string        `json:"message,omitempty"`
	IDs     []int         `json:"ids,omitempty"`
}

// Validate says what is missing.
func (r Rule) Validate() error {
	switch r.Kind {
	case Flood, Slow:
		if r.For <= 0 {
			return fmt.Errorf("a fault %q needs a duration: set for", r.Kind)
		}
	case Fail:
		if r.Code == 0 || r.Message == "" {
			return fmt.Errorf("a fault %q needs code and message", r.Kind)
		}
	case Poison:
		if r.Channel == 0 || len(r.IDs) == 0 {
			return fmt.Errorf("a fault %q needs channel and ids", r.Kind)
		}
	case Drop, Duplicate:
	default:
		return fmt.Errorf("no fault is called %q: flood, slow, drop, fail, poison, duplicate are", r.Kind)
	}
	return nil
}

// Set is the rules in force. Its zero value has none and is ready.
type Set struct {
	duplicate atomic.Bool
	poisoned  atomic.Pointer[map[poison]bool]

	mu     sync.Mutex
	rules  []*state
	floods map[flood]time.Time // when each ends
}

type state struct {
	Rule
	seen, struck int
}

type poison struct {
	channel int64
	id      int
}

type flood struct {
	account int64
	method  string
	channel int64
}

// Call is a request that may be struck.
type Call struct {
	Method  string
	Account int64
	Channel int64
	Connect bool // part of connecting or logging in: only a rule that names the method strikes it
	At      time.Time
}

// Verdict is what happens to a Call.
type Verdict struct {
	Delay time.Duration
	Drop  bool
	Err   error
}

// Add puts a rule in force.
func (s *Set) Add(r Rule) error {
	if err := r.Validate(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r.Kind {
	case Duplicate:
		s.duplicate.Store(true)
	case Poison:
		s.poison(r)
	default:
		s.rules = append(s.rules, &state{Rule: r})
	}
	return nil
}

func (s *Set) poison(r Rule) {
	next := map[poison]bool{}
	if old := s.poisoned.Load(); old != nil {
		for p := range *old {
			next[p] = true
		}
	}
	for _, id := range r.IDs {
		next[poison{r.Channel, id}] = true
	}
	s.poisoned.Store(&next)
}

// Clear takes all trouble away, floods under way included.
func (s *Set) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules, s.floods = nil, nil
	s.duplicate.Store(false)
	s.poisoned.Store(nil)
}

// Check judges a call. It is asked once per call before anything of it is known but the method, with Channel 0, and once more when the
// channel is known: a rule is met in the one or the other.
func (s *Set) Check(c Call) (v Verdict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := flood{c.Account, c.Method, c.Channel}
	if left := s.floods[at].Sub(c.At); left > 0 {
		return Verdict{Err: wait(left)}
	}
	for _, r := range s.rules {
		if !r.strikes(c) || v.Err != nil || v.Drop {
			continue
		}
		switch r.Kind {
		case Flood:
			if s.floods == nil {
				s.floods = map[flood]time.Time{}
			}
			s.floods[at] = c.At.Add(r.For)
			v.Err = wait(r.For)
		case Slow:
			v.Delay += r.For
		case Drop:
			v.Drop = true
		case Fail:
			v.Err = tgerr.New(r.Code, r.Message)
		}
	}
	s.rules = slices.DeleteFunc(s.rules, (*state).spent)
	return v
}

// wait rounds up: a client that waits as told must not come back too early.
func wait(left time.Duration) error {
	return tgerr.New(420, fmt.Sprintf("FLOOD_WAIT_%d", (left+time.Second-1)/time.Second))
}

func (r *state) strikes(c Call) bool {
	named := r.Method == c.Method || r.Method == "" && !c.Connect
	if !named || r.Channel != c.Channel || r.spent() {
		return false
	}
	r.seen++
	n := r.seen - r.After
	if n <= 0 || r.Every > 0 && n%r.Every != 0 {
		return false
	}
	r.struck++
	return true
}

func (r *state) spent() bool {
	limit := r.Count
	if limit == 0 && r.Every == 0 {
		limit = 1
	}
	return limit > 0 && r.struck >= limit
}

// Duplicates tells whether parallel connections of one key are punished.
func (s *Set) Duplicates() bool { return s.duplicate.Load() }

// Poisoned tells whether anything is, so that a page need not look at every message.
func (s *Set) Poisoned() func(channel int64, id int) bool {
	all := s.poisoned.Load()
	if all == nil {
		return nil
	}
	return func(channel int64, id int) bool { return (*all)[poison{channel, id}] }
}

// Active counts the rules that may still strike, poison and duplicates aside.
func (s *Set) Active() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.rules)
}
