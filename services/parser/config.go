package parser

import (
	"errors"
	"time"

	"github.com/tidemark/tidemark/kit/env"
)

// Config of the parser service.
type Config struct {
	DatabaseURL env.Secret    `help:"Postgres, as postgres://USER:PASSWORD@HOST:PORT/NAME. Holds posts, events and accounts." placeholder:"URL"`
	RedisURL    env.Secret    `help:"Redis, as redis://HOST:PORT/DB. Events are published there." placeholder:"URL"`
	Stream      string        `help:"Redis stream that events are added to." default:"tidemark:posts"`
	KeepEvents  time.Duration `help:"How long published events are kept in Postgres, to be replayed; whole days." default:"168h"`
	MaxConns    int32         `help:"Connections to Postgres at most." default:"10"`
	Telegram
}

// Telegram says which Telegram to read, as which application, and what seals the sessions.
type Telegram struct {
	TelegramDCs        string     `name:"telegram-dcs" help:"Datacenters, as 2=HOST:PORT,4=HOST:PORT; empty for Telegram's own." placeholder:"LIST"`
	TelegramPublicKeys string     `name:"telegram-public-keys" help:"PEM file with the datacenters' public keys; empty for Telegram's own." placeholder:"FILE"`
	APIID              int        `name:"api-id" help:"Id of the Telegram application, from https://my.telegram.org."`
	APIHash            env.Secret `name:"api-hash" help:"Hash of the Telegram application." placeholder:"HASH"`
	SessionKey         env.Secret `name:"session-key" help:"Seals the accounts' sessions: 32 bytes, hex or base64." placeholder:"KEY"`
	SessionKeyFile     string     `name:"session-key-file" help:"File with that key, made when it does not exist." placeholder:"FILE"`
	HistoryRate        float64    `name:"history-rate" help:"Pages of history per second and account; 0 is unlimited." default:"10"`
	ResolveRate        float64    `name:"resolve-rate" help:"Usernames resolved per second and account; 0 is unlimited. Telegram punishes haste here with waits of a day." default:"0.33"`
}

// Validate answers every complaint at once.
func (c Config) Validate() error {
	var complaints []error
	complain := func(is bool, text string) {
		if is {
			complaints = append(complaints, errors.New(text))
		}
	}
	complain(c.DatabaseURL == "", "--database-url is required")
	complain(c.RedisURL == "", "--redis-url is required")
	complain(c.Stream == "", "--stream must not be empty")
	complain(c.KeepEvents < 0, "--keep-events must not be negative")
	complain(c.MaxConns < 4, "--max-conns must be at least 4")
	complain(c.APIID <= 0 || c.APIHash == "", "--api-id and --api-hash are required: take them from https://my.telegram.org")
	complain(c.SessionKey == "" && c.SessionKeyFile == "", "--session-key or --session-key-file is required")
	complain(c.HistoryRate < 0, "--history-rate must not be negative")
	complain(c.ResolveRate < 0, "--resolve-rate must not be negative")
	return errors.Join(complaints...)
}
