package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidemark/tidemark/kit/pg"
	"github.com/tidemark/tidemark/services/parser/internal/account"
	"github.com/tidemark/tidemark/services/parser/internal/ingest"
	"github.com/tidemark/tidemark/services/parser/internal/postgres/db"
)

// Accounts keeps accounts, their leases and sealed sessions, resolved peers and Telegram's waits. Leases are compared by Postgres's clock.
type Accounts struct {
	db     *db.Queries
	sealer *account.Sealer
}

var _ account.Store = (*Accounts)(nil)

// NewAccounts is the store of accounts in a migrated database.
func NewAccounts(pool *pgxpool.Pool, sealer *account.Sealer) *Accounts {
	return &Accounts{db: db.New(pool), sealer: sealer}
}

// Accounts are at most limit accounts by id, from the first above after.
func (a *Accounts) Accounts(ctx context.Context, after account.ID, limit int, now time.Time) ([]account.Account, error) {
	rows, err := a.db.ListAccounts(ctx, db.ListAccountsParams{After: int64(after), Most: int32(limit)})
	if err != nil {
		return nil, accountsErr("list accounts", err)
	}
	ids := make([]int64, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	floods, err := a.db.ListFloods(ctx, db.ListFloodsParams{AccountIds: ids, Now: now})
	if err != nil {
		return nil, accountsErr("list floods", err)
	}
	return toAccounts(rows, floods), nil
}

// Account is one of them; account.ErrUnknown.
func (a *Accounts) Account(ctx context.Context, id account.ID, now time.Time) (account.Account, error) {
	found, err := a.Accounts(ctx, id-1, 1, now)
	if err != nil {
		return account.Account{}, err
	}
	if len(found) == 0 || found[0].ID != id {
		return account.Account{}, account.ErrUnknown
	}
	return found[0], nil
}

// Delete forgets the account with all that belongs to it.
func (a *Accounts) Delete(ctx context.Context, id account.ID) error {
	return accountsErr("delete account", a.db.DeleteAccount(ctx, int64(id)))
}

// Adopt stores a freshly logged in account with its session and takes its lease.
func (a *Accounts) Adopt(ctx context.Context, fresh account.Account, session []byte, owner string) (account.Lease, error) {
	token, err := a.db.AdoptAccount(ctx, db.AdoptAccountParams{
		ID: int64(fresh.ID), Username: fresh.Username, MaskedPhone: fresh.MaskedPhone, Session: a.sealer.Seal(fresh.ID, session),
		Owner: owner, TtlSeconds: account.LeaseTTL.Seconds(), CreatedAt: fresh.CreatedAt,
	})
	return account.Lease{Account: fresh.ID, Token: token}, accountsErr("adopt account", err)
}

// Acquire takes the lease of an account that nobody holds, and opens its session.
func (a *Accounts) Acquire(ctx context.Context, id account.ID, owner string) (account.Lease, []byte, error) {
	row, err := a.db.AcquireLease(ctx, db.AcquireLeaseParams{ID: int64(id), Owner: owner, TtlSeconds: account.LeaseTTL.Seconds()})
	if errors.Is(err, pgx.ErrNoRows) {
		return account.Lease{}, nil, a.whyNotLeased(ctx, id)
	}
	if err != nil {
		return account.Lease{}, nil, accountsErr("acquire lease", err)
	}
	lease := account.Lease{Account: id, Token: row.LeaseToken}
	session, err := a.sealer.Open(id, row.Session)
	if err != nil {
		return account.Lease{}, nil, errors.Join(err, a.Release(ctx, lease))
	}
	return lease, session, nil
}

// Holders are the addresses of the other processes that hold leases, those that have one.
func (a *Accounts) Holders(ctx context.Context, own string) (addresses []string, err error) {
	owners, err := a.db.Holders(ctx, own)
	for _, owner := range owners {
		if address, _, _ := strings.Cut(owner, "/"); address != "" {
			addresses = append(addresses, address)
		}
	}
	return addresses, accountsErr("list holders of accounts", err)
}

func (a *Accounts) whyNotLeased(ctx context.Context, id account.ID) error {
	exists, err := a.db.AccountExists(ctx, int64(id))
	switch {
	case err != nil:
		return accountsErr("acquire lease", err)
	case !exists:
		return account.ErrUnknown
	}
	return account.ErrLeased
}

// Renew keeps the lease and notes how the account is.
func (a *Accounts) Renew(ctx context.Context, l account.Lease, s account.State, okAt time.Time) error {
	rows, err := a.db.RenewLease(ctx, db.RenewLeaseParams{
		ID: int64(l.Account), Token: l.Token, TtlSeconds: account.LeaseTTL.Seconds(), State: string(s), OkAt: known(okAt),
	})
	return fenced("renew lease", rows, err)
}

// SaveSession replaces the session, sealed.
func (a *Accounts) SaveSession(ctx context.Context, l account.Lease, session []byte) error {
	rows, err := a.db.SaveSession(ctx, db.SaveSessionParams{ID: int64(l.Account), Token: l.Token, Session: a.sealer.Seal(l.Account, session)})
	return fenced("save session", rows, err)
}

// Release gives the lease back.
func (a *Accounts) Release(ctx context.Context, l account.Lease) error {
	return accountsErr("release lease", a.db.ReleaseLease(ctx, db.ReleaseLeaseParams{ID: int64(l.Account), Token: l.Token}))
}

// fenced turns "no row carries our token" into what it means.
func fenced(what string, rows int64, err error) error {
	if err == nil && rows == 0 {
		return account.ErrLeaseLost
	}
	return accountsErr(what, err)
}

func accountsErr(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case pg.IsUnavailable(err):
		return fmt.Errorf("%s: %w: %w", what, ingest.ErrStoreDown, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}
