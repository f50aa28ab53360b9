package accounttest

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/tidemark/tidemark/services/parser/internal/account"
)

// Peers implements account.Peers.
func (s *Store) Peers(_ context.Context, channel int64) ([]account.Peer, error) {
	err := s.begin()
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	found := []account.Peer{}
	for k, p := range s.peers {
		if k.channel == channel {
			found = append(found, p)
		}
	}
	slices.SortFunc(found, func(a, b account.Peer) int { return cmp.Compare(a.Account, b.Account) })
	return found, nil
}

// ChannelOf implements account.Peers.
func (s *Store) ChannelOf(_ context.Context, username string) (int64, error) {
	err := s.begin()
	defer s.mu.Unlock()
	return s.names[username], err
}

// SavePeers implements account.Peers.
func (s *Store) SavePeers(_ context.Context, peers []account.Peer) error {
	err := s.begin()
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	for _, p := range peers {
		s.peers[peerKey{p.Channel, p.Account}] = p
	}
	return nil
}

// UsernameOf implements account.Peers.
func (s *Store) UsernameOf(_ context.Context, channel int64) (string, error) {
	err := s.begin()
	defer s.mu.Unlock()
	var username string
	var newest time.Time
	for name, c := range s.names {
		if at := s.resolved[name]; c == channel && at.After(newest) {
			username, newest = name, at
		}
	}
	return username, err
}

// SaveUsername implements account.Peers.
func (s *Store) SaveUsername(_ context.Context, username string, channel int64, now time.Time) error {
	err := s.begin()
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	s.names[username], s.resolved[username] = channel, now
	return nil
}

// SaveFlood implements account.Budgets.
func (s *Store) SaveFlood(_ context.Context, f account.Flood) error {
	err := s.begin()
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	if k := (methodKey{f.Account, f.Method}); f.Until.After(s.floods[k].Until) {
		s.floods[k] = f
	}
	return nil
}

// Spend implements account.Budgets.
func (s *Store) Spend(_ context.Context, id account.ID, method string, limit int, window time.Duration, now time.Time) (time.Time, error) {
	err := s.begin()
	defer s.mu.Unlock()
	if err != nil {
		return time.Time{}, err
	}
	k := methodKey{id, method}
	b := s.budgets[k]
	if !b.start.Add(window).After(now) {
		b = budget{start: now}
	}
	if b.spent >= limit {
		return b.start.Add(window), nil
	}
	b.spent++
	s.budgets[k] = b
	return time.Time{}, nil
}
