package telegram

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/gotd/td/session"

	"github.com/tidemark/tidemark/services/parser/internal/account"
)

// sealedStorage is gotd's session storage over the store's sealed one. The store is written only when something changed; when it cannot be written
// the connection goes on, and flush tries again.
type sealedStorage struct {
	store account.Sessions
	lease account.Lease
	log   *slog.Logger

	mu    sync.Mutex
	data  []byte
	dirty bool
}

func newSealedStorage(store account.Sessions, lease account.Lease, data []byte, log *slog.Logger) *sealedStorage {
	return &sealedStorage{store: store, lease: lease, log: log, data: data}
}

// LoadSession implements session.Storage.
func (s *sealedStorage) LoadSession(context.Context) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.data) == 0 {
		return nil, session.ErrNotFound
	}
	return bytes.Clone(s.data), nil
}

// StoreSession implements session.Storage.
func (s *sealedStorage) StoreSession(ctx context.Context, data []byte) error {
	s.mu.Lock()
	s.dirty = s.dirty || !bytes.Equal(s.data, data)
	s.data = bytes.Clone(data)
	s.mu.Unlock()
	if err := s.flush(ctx); errors.Is(err, account.ErrLeaseLost) {
		return err
	} else if err != nil {
		s.log.Warn("session is kept in memory until the store is back", "account", s.lease.Account, "err", err)
	}
	return nil
}

// flush writes what is not written yet.
func (s *sealedStorage) flush(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.dirty {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	if err := s.store.SaveSession(ctx, s.lease, s.data); err != nil {
		return err
	}
	s.dirty = false
	return nil
}
