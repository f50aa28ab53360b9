package watermark

import (
	"errors"

	"github.com/tidemark/tidemark/kit/env"
)

// Config of the watermark service.
type Config struct {
	DatabaseURL env.Secret `help:"Postgres, as postgres://USER:PASSWORD@HOST:PORT/NAME. Holds the truth." placeholder:"URL"`
	RedisURL    env.Secret `help:"Redis, as redis://HOST:PORT/DB. A cache only; without it all reads go to Postgres." placeholder:"URL"`
	MaxConns    int32      `help:"Connections to Postgres at most." default:"10"`
}

// Validate answers every complaint at once.
func (c Config) Validate() error {
	var complaints []error
	if c.DatabaseURL == "" {
		complaints = append(complaints, errors.New("--database-url is required"))
	}
	if c.MaxConns < 2 {
		complaints = append(complaints, errors.New("--max-conns must be at least 2"))
	}
	return errors.Join(complaints...)
}
