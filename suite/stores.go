package suite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/tidemark/tidemark/kit/embedded"
	"github.com/tidemark/tidemark/kit/env"
)

// StoresConfig says where Postgres and Redis are; what is not given runs privately in DataDir.
type StoresConfig struct {
	DataDir     string     `help:"Private stores and keys live here." default:"~/.tidemark" type:"path"`
	DatabaseURL env.Secret `help:"Use this Postgres instead of a private one." placeholder:"URL"`
	RedisURL    env.Secret `help:"Use this Redis instead of a private one." placeholder:"URL"`
}

// Stores are the Postgres and the Redis of one process.
type Stores struct {
	DatabaseURL, RedisURL env.Secret
	private               []*embedded.Process
	notes                 []string // files that say where the private ones are
}

// OpenStores starts what was not given.
func OpenStores(ctx context.Context, c StoresConfig, log *slog.Logger) (*Stores, error) {
	s := &Stores{DatabaseURL: c.DatabaseURL, RedisURL: c.RedisURL}
	if err := os.MkdirAll(c.DataDir, 0o711); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	if s.DatabaseURL == "" {
		p, err := embedded.Postgres(ctx, c.DataDir, embedded.PostgresOptions{}, log)
		if err != nil {
			return nil, err
		}
		s.private, s.DatabaseURL = append(s.private, p), env.Secret(p.URL)
		if err := s.note(filepath.Join(c.DataDir, "postgres.url"), p.URL); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	if s.RedisURL == "" {
		p, err := embedded.Redis(ctx, c.DataDir, log)
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.private, s.RedisURL = append(s.private, p), env.Secret(p.URL)
		if err := s.note(filepath.Join(c.DataDir, "redis.url"), p.URL); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// note tells the user, and nobody else, where a private store is while it runs: psql "$(cat ~/.tidemark/postgres.url)"
func (s *Stores) note(file, url string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) { // one left behind could have other rights
		return fmt.Errorf("note where a store is: %w", err)
	}
	if err := os.WriteFile(file, []byte(url+"\n"), 0o600); err != nil {
		return fmt.Errorf("note where a store is: %w", err)
	}
	s.notes = append(s.notes, file)
	return nil
}

// Close stops what was started here.
func (s *Stores) Close() error {
	var failures error
	for _, file := range s.notes {
		failures = errors.Join(failures, os.Remove(file))
	}
	for i := len(s.private) - 1; i >= 0; i-- {
		failures = errors.Join(failures, s.private[i].Close())
	}
	return failures
}

// SessionKeyFile is where the key that seals Telegram sessions is kept, unless it is given.
func (c StoresConfig) SessionKeyFile() string { return filepath.Join(c.DataDir, "session.key") }
