package postgres

import (
	"context"
	"errors"

	"github.com/tidemark/tidemark/services/parser/internal/account"
	"github.com/tidemark/tidemark/services/parser/internal/postgres/db"
)

// sealedPage is how many sessions are looked at in one query.
const sealedPage = 100

// Seals says which key seals how many sessions, newest key first, and how many open with none.
func (a *Accounts) Seals(ctx context.Context) (byKey []int, unknown int, err error) {
	err = a.eachSealed(ctx, func(id account.ID, sealed []byte) error {
		_, key, err := a.sealer.OpenWith(id, sealed)
		if lost := (*account.KeyError)(nil); errors.As(err, &lost) {
			unknown++
			return nil
		} else if err != nil {
			return err
		}
		for len(byKey) <= key {
			byKey = append(byKey, 0)
		}
		byKey[key]++
		return nil
	})
	return byKey, unknown, err
}

// Reseal seals with the newest key what an older one seals, each session in one statement, and answers how many it sealed. Whoever reads with the accounts goes on
// meanwhile: what they save is theirs.
func (a *Accounts) Reseal(ctx context.Context) (sealed int, err error) {
	err = a.eachSealed(ctx, func(id account.ID, seen []byte) error {
		session, key, err := a.sealer.OpenWith(id, seen)
		if err != nil || key == 0 {
			return err
		}
		rows, err := a.db.ReplaceSession(ctx, db.ReplaceSessionParams{ID: int64(id), Seen: seen, Fresh: a.sealer.Seal(id, session)})
		sealed += int(rows)
		return accountsErr("seal a session anew", err)
	})
	return sealed, err
}

func (a *Accounts) eachSealed(ctx context.Context, do func(account.ID, []byte) error) error {
	for after := int64(0); ; {
		rows, err := a.db.SealedSessions(ctx, db.SealedSessionsParams{After: after, Most: sealedPage})
		if err != nil {
			return accountsErr("list sessions", err)
		}
		for _, r := range rows {
			if err := do(account.ID(r.ID), r.Session); err != nil {
				return err
			}
			after = r.ID
		}
		if len(rows) < sealedPage {
			return nil
		}
	}
}
