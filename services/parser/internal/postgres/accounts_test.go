package postgres_test

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidemark/tidemark/kit/pg/pgtest"
	"github.com/tidemark/tidemark/services/parser/internal/account"
	"github.com/tidemark/tidemark/services/parser/internal/account/accounttest"
	"github.com/tidemark/tidemark/services/parser/internal/postgres"
)

func accountsSealer(t *testing.T, key string) *account.Sealer {
	t.Helper()
	k, err := account.LoadKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	s, err := account.NewSealer(k)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func accountsPool(t *testing.T) *pgxpool.Pool {
	t.Helper()
	return pgtest.New(t, "parser", os.DirFS("migrations"))
}

func TestAccounts(t *testing.T) {
	t.Parallel()
	accounttest.TestStore(t, func(t *testing.T) accounttest.Opened {
		pool := accountsPool(t)
		return accounttest.Opened{
			Store: postgres.NewAccounts(pool, accountsSealer(t, strings.Repeat("ab", 32))),
			Expire: func(id account.ID) {
				if _, err := pool.Exec(t.Context(), "UPDATE parser.accounts SET lease_until = now() - interval '1 second' WHERE id = $1", int64(id)); err != nil {
					t.Error(err)
				}
			},
		}
	})
}

func TestAccountsSessionIsSealedInItsRow(t *testing.T) {
	t.Parallel()
	pool := accountsPool(t)
	store := postgres.NewAccounts(pool, accountsSealer(t, strings.Repeat("ab", 32)))
	session := []byte("the auth key")
	lease, err := store.Adopt(t.Context(), account.Account{ID: 7, CreatedAt: time.Now().UTC()}, session, "one")
	if err != nil {
		t.Fatal(err)
	}
	var row []byte
	if err := pool.QueryRow(t.Context(), "SELECT session FROM parser.accounts").Scan(&row); err != nil || bytes.Contains(row, session) {
		t.Errorf("got %v, or the session in clear", err)
	}
	if err := store.Release(t.Context(), lease); err != nil {
		t.Fatal(err)
	}

	_, _, err = postgres.NewAccounts(pool, accountsSealer(t, strings.Repeat("cd", 32))).Acquire(t.Context(), 7, "two")
	var key *account.KeyError
	if !errors.As(err, &key) || !strings.Contains(err.Error(), "the environment") {
		t.Errorf("got %v with the wrong key, want a KeyError naming where it comes from", err)
	}
	if _, got, err := store.Acquire(t.Context(), 7, "three"); err != nil || !bytes.Equal(got, session) {
		t.Errorf("got %q, %v with the right key: the attempt with the wrong one must change nothing", got, err)
	}
}
