// Package accounttest holds the fake of account.Store and the suite that says what every Store must do.
package accounttest

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tidemark/tidemark/services/parser/internal/account"
)

// Store is an account.Store in memory, for tests. It keeps sessions in clear.
type Store struct {
	mu       sync.Mutex
	rows     map[account.ID]*row
	peers    map[peerKey]account.Peer
	names    map[string]int64
	resolved map[string]time.Time
	floods   map[methodKey]account.Flood
	budgets  map[methodKey]budget
	failWith error
}

type row struct {
	account account.Account
	session []byte
	token   int64
	held    bool
}

type peerKey struct {
	channel int64
	account account.ID
}

type methodKey struct {
	account account.ID
	method  string
}

type budget struct {
	start time.Time
	spent int
}

var _ account.Store = (*Store)(nil)

// NewStore is an empty store.
func NewStore() *Store {
	return &Store{
		rows: map[account.ID]*row{}, peers: map[peerKey]account.Peer{}, names: map[string]int64{}, resolved: map[string]time.Time{},
		floods: map[methodKey]account.Flood{}, budgets: map[methodKey]budget{},
	}
}

// Expire ends the lease of an account, as if its time had run out.
func (s *Store) Expire(id account.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.rows[id]; r != nil {
		r.held = false
	}
}

// Fail makes every call answer err, until it is nil.
func (s *Store) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failWith = err
}

// begin locks the store; the caller unlocks it.
func (s *Store) begin() error {
	s.mu.Lock()
	return s.failWith
}

// Accounts implements account.Directory.
func (s *Store) Accounts(_ context.Context, after account.ID, limit int, now time.Time) ([]account.Account, error) {
	err := s.begin()
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	var all []account.Account
	for _, id := range slices.Sorted(maps.Keys(s.rows)) {
		if id > after && len(all) < limit {
			all = append(all, s.full(id, now))
		}
	}
	return all, nil
}

func (s *Store) full(id account.ID, now time.Time) account.Account {
	a := s.rows[id].account
	for k, f := range s.floods {
		if k.account == id && f.Until.After(now) {
			a.Floods = append(a.Floods, f)
		}
	}
	slices.SortFunc(a.Floods, func(x, y account.Flood) int { return cmp.Compare(x.Method, y.Method) })
	return a
}

// Account implements account.Directory.
func (s *Store) Account(_ context.Context, id account.ID, now time.Time) (account.Account, error) {
	err := s.begin()
	defer s.mu.Unlock()
	if err != nil {
		return account.Account{}, err
	}
	if s.rows[id] == nil {
		return account.Account{}, account.ErrUnknown
	}
	return s.full(id, now), nil
}

// Delete implements account.Directory.
func (s *Store) Delete(_ context.Context, id account.ID) error {
	err := s.begin()
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	delete(s.rows, id)
	maps.DeleteFunc(s.peers, func(k peerKey, _ account.Peer) bool { return k.account == id })
	maps.DeleteFunc(s.floods, func(k methodKey, _ account.Flood) bool { return k.account == id })
	maps.DeleteFunc(s.budgets, func(k methodKey, _ budget) bool { return k.account == id })
	return nil
}

// Adopt implements account.Sessions.
func (s *Store) Adopt(_ context.Context, a account.Account, session []byte, _ string) (account.Lease, error) {
	err := s.begin()
	defer s.mu.Unlock()
	if err != nil {
		return account.Lease{}, err
	}
	r := s.rows[a.ID]
	if r == nil {
		r = &row{}
		s.rows[a.ID] = r
	}
	a.State, a.LastOKAt, a.Floods = account.Active, r.account.LastOKAt, nil
	r.account, r.session, r.held = a, bytes.Clone(session), true
	r.token++
	return account.Lease{Account: a.ID, Token: r.token}, nil
}

// Acquire implements account.Sessions.
func (s *Store) Acquire(_ context.Context, id account.ID, _ string) (account.Lease, []byte, error) {
	err := s.begin()
	defer s.mu.Unlock()
	r := s.rows[id]
	switch {
	case err != nil:
		return account.Lease{}, nil, err
	case r == nil:
		return account.Lease{}, nil, account.ErrUnknown
	case r.held:
		return account.Lease{}, nil, account.ErrLeased
	}
	r.held = true
	r.token++
	return account.Lease{Account: id, Token: r.token}, bytes.Clone(r.session), nil
}

// fenced does something to the row that the lease is the newest of.
func (s *Store) fenced(l account.Lease, fn func(*row)) error {
	err := s.begin()
	defer s.mu.Unlock()
	r := s.rows[l.Account]
	switch {
	case err != nil:
		return err
	case r == nil || r.token != l.Token:
		return account.ErrLeaseLost
	}
	fn(r)
	return nil
}

// Renew implements account.Sessions.
func (s *Store) Renew(_ context.Context, l account.Lease, state account.State, okAt time.Time) error {
	return s.fenced(l, func(r *row) {
		r.held, r.account.State = true, state
		if okAt.After(r.account.LastOKAt) {
			r.account.LastOKAt = okAt
		}
	})
}

// SaveSession implements account.Sessions.
func (s *Store) SaveSession(_ context.Context, l account.Lease, session []byte) error {
	return s.fenced(l, func(r *row) { r.session = bytes.Clone(session) })
}

// Release implements account.Sessions. The token grows, so that the lease cannot be used again.
func (s *Store) Release(_ context.Context, l account.Lease) error {
	if err := s.fenced(l, func(r *row) {
		r.held = false
		r.token++
	}); err != nil && err != account.ErrLeaseLost { //nolint:errorlint // our own, never wrapped
		return err
	}
	return nil
}
