package parser

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tidemark/tidemark/kit/auth"
	"github.com/tidemark/tidemark/kit/env"
	"github.com/tidemark/tidemark/kit/pg"
	"github.com/tidemark/tidemark/services/parser/internal/account"
	"github.com/tidemark/tidemark/services/parser/internal/postgres"
)

// Keys changes the key that seals the sessions, while the service runs or not. The key file has a key on each line, newest first; the service follows it, seals with the first
// and opens with all. So a key first joins the file, then sessions are sealed with it one by one, and only when none needs an old key that one
// goes: whenever this is cut short, every session opens.
type Keys struct {
	DatabaseURL env.Secret
	File        string
}

// Rotate puts a new key first in the file, and seals all sessions with it. One that was cut short is finished first, and no further key is made.
func (k Keys) Rotate(ctx context.Context) (sealed int, err error) {
	err = k.with(ctx, func(accounts *postgres.Accounts) error {
		byKey, unknown, err := accounts.Seals(ctx)
		if err == nil {
			err = lost(unknown)
		}
		if err != nil {
			return err
		}
		if len(byKey) <= 1 { // nothing is left of a rotation before
			if err := k.add(); err != nil {
				return err
			}
		}
		sealed, err = accounts.Reseal(ctx)
		return err
	})
	return sealed, err
}

// Status is how many sessions each key seals, newest first, and how many open with none.
func (k Keys) Status(ctx context.Context) (byKey []int, unknown int, err error) {
	err = k.with(ctx, func(accounts *postgres.Accounts) error {
		byKey, unknown, err = accounts.Seals(ctx)
		return err
	})
	for n := k.count(); len(byKey) < n; {
		byKey = append(byKey, 0)
	}
	return byKey, unknown, err
}

// Prune leaves only the newest key in the file, unless a session needs another.
func (k Keys) Prune(ctx context.Context) (gone int, err error) {
	err = k.with(ctx, func(accounts *postgres.Accounts) error {
		byKey, unknown, err := accounts.Seals(ctx)
		if err == nil {
			err = lost(unknown)
		}
		if err != nil {
			return err
		}
		if len(byKey) > 1 {
			return fmt.Errorf("old keys still seal sessions: run tidemark keys rotate, which seals them anew; nothing was changed")
		}
		lines, err := k.lines()
		if err != nil || len(lines) == 1 {
			return err
		}
		if err := k.settled(); err != nil {
			return err
		}
		gone = len(lines) - 1
		return auth.Replace(k.File, []byte(lines[0]+"\n"), 0o600)
	})
	return gone, err
}

// settle is how long a session that was sealed before the file changed may still be on its way to Postgres: its statement ends within 30 s.
const settle = time.Minute

func (k Keys) settled() error {
	info, err := os.Stat(k.File)
	if err != nil {
		return fmt.Errorf("look at the session key file: %w", err)
	}
	if age := time.Since(info.ModTime()); age < settle {
		return fmt.Errorf("the newest key is %s old, and a session sealed with an older one may be on its way: repeat in a minute", age.Round(time.Second))
	}
	return nil
}

func lost(unknown int) error {
	if unknown > 0 {
		return fmt.Errorf("%d sessions open with no key of the file: put their key there, or log these accounts out; nothing was changed", unknown)
	}
	return nil
}

// with works on the accounts, with nobody else changing the file.
func (k Keys) with(ctx context.Context, do func(*postgres.Accounts) error) error {
	if _, err := account.ReadKeyFile(k.File); err != nil { // never make one here
		return err
	}
	unlock, err := auth.Lock(filepath.Dir(k.File))
	if err != nil {
		return err
	}
	defer unlock()
	sealer, err := account.OpenSealer("", k.File)
	if err != nil {
		return err
	}
	pool, err := pg.Open(ctx, k.DatabaseURL, pg.Options{App: "keys", MaxConns: 2})
	if err != nil {
		return err
	}
	defer pool.Close()
	return do(postgres.NewAccounts(pool, sealer))
}

func (k Keys) add() error {
	lines, err := k.lines()
	if err != nil {
		return err
	}
	return auth.Replace(k.File, []byte(account.FreshKey()+strings.Join(lines, "\n")+"\n"), 0o600)
}

func (k Keys) lines() ([]string, error) {
	text, err := account.ReadKeyFile(k.File)
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' || r == ' ' || r == '\t' }), err
}

func (k Keys) count() int {
	lines, _ := k.lines()
	return len(lines)
}
