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
	}
	if s.RedisURL == "" {
		p, err := embedded.Redis(ctx, c.DataDir, log)
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.private, s.RedisURL = append(s.private, p), env.Secret(p.URL)
	}
	return s, nil
}

// Close stops what was started here.
func (s *Stores) Close() error {
	var failures error
	for i := len(s.private) - 1; i >= 0; i-- {
		failures = errors.Join(failures, s.private[i].Close())
	}
	return failures
}

// SessionKeyFile is where the key that seals Telegram sessions is kept, unless it is given.
func (c StoresConfig) SessionKeyFile() string { return filepath.Join(c.DataDir, "session.key") }
