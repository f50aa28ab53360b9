package parser

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidemark/tidemark/kit/env"
	"github.com/tidemark/tidemark/kit/pg"
	"github.com/tidemark/tidemark/kit/pg/pgtest"
	"github.com/tidemark/tidemark/services/parser/internal/account"
	"github.com/tidemark/tidemark/services/parser/internal/postgres"
)

// vault is a database of sealed sessions, and a running service's way to them, which follows the key file.
type vault struct {
	*testing.T
	keys    Keys
	running *postgres.Accounts
}

func newVault(t *testing.T, sessions int) vault {
	t.Helper()
	t.Parallel()
	v := vault{T: t, keys: Keys{DatabaseURL: pgtest.Empty(t), File: filepath.Join(t.TempDir(), "session.key")}}
	if err := Migrate(t.Context(), v.keys.DatabaseURL); err != nil {
		t.Fatal(err)
	}
	v.running = v.open(v.keys.DatabaseURL)
	for id := range sessions {
		_, err := v.running.Adopt(t.Context(), account.Account{ID: account.ID(id + 1), CreatedAt: time.Now().UTC()}, []byte(fmt.Sprint("session ", id+1)), "test")
		if err != nil {
			t.Fatal(err)
		}
	}
	return v
}

// open is what a service that starts now has.
func (v vault) open(url env.Secret) *postgres.Accounts {
	v.Helper()
	pool, err := pg.Open(v.Context(), url, pg.Options{App: "keys-test", MaxConns: 2})
	if err != nil {
		v.Fatal(err)
	}
	v.Cleanup(pool.Close)
	sealer, err := account.OpenSealer("", v.keys.File)
	if err != nil {
		v.Fatal(err)
	}
	return postgres.NewAccounts(pool, sealer)
}

// opens fails unless every session opens, for the running service and for one that starts now, and newest seals want of them.
func (v vault) opens(when string, newest, all int) {
	v.Helper()
	for who, accounts := range map[string]*postgres.Accounts{"running": v.running, "fresh": v.open(v.keys.DatabaseURL)} {
		byKey, unknown, err := accounts.Seals(v.Context())
		sum := 0
		for _, n := range byKey {
			sum += n
		}
		if err != nil || unknown > 0 || sum != all || byKey[0] != newest {
			v.Errorf("%s, the %s service: keys seal %v, %d lost, %v; want all %d, the newest %d", when, who, byKey, unknown, err, all, newest)
		}
	}
}

func (v vault) settle() {
	v.Helper()
	past := time.Now().Add(-2 * settle)
	if err := os.Chtimes(v.keys.File, past, past); err != nil {
		v.Fatal(err)
	}
}

func TestRotatingKeysLosesNoSession(t *testing.T) {
	v := newVault(t, 250)
	old, _ := os.ReadFile(v.keys.File)
	if sealed, err := v.keys.Rotate(t.Context()); err != nil || sealed != 250 {
		t.Fatalf("got %d sealed anew, %v, want 250", sealed, err)
	}
	v.opens("after rotating", 250, 250)
	if now, _ := os.ReadFile(v.keys.File); !strings.HasSuffix(string(now), string(old)) || len(now) != 2*len(old) {
		t.Error("the file does not hold the new key, then the old one")
	}
	if _, err := v.keys.Prune(t.Context()); err == nil || !strings.Contains(err.Error(), "repeat in a minute") {
		t.Errorf("pruning at once: %v, want to wait for what is on its way", err)
	}
	v.settle()
	if gone, err := v.keys.Prune(t.Context()); err != nil || gone != 1 {
		t.Errorf("got %d keys pruned, %v, want 1", gone, err)
	}
	v.opens("after pruning", 250, 250)
	if now, _ := os.ReadFile(v.keys.File); strings.Contains(string(now), strings.TrimSpace(string(old))) {
		t.Error("the old key is still there")
	}
	if info, err := os.Stat(v.keys.File); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v, want 0600", info.Mode())
	}
}

func TestARotationCutShortIsFinished(t *testing.T) {
	v := newVault(t, 5)
	if err := v.keys.add(); err != nil { // and here it died
		t.Fatal(err)
	}
	v.opens("with the key added", 0, 5)
	session := []byte("saved by the running service meanwhile")
	if _, err := v.running.Adopt(t.Context(), account.Account{ID: 6, CreatedAt: time.Now().UTC()}, session, "test"); err != nil {
		t.Fatal(err)
	}
	v.opens("one saved", 1, 6)
	v.settle()
	if _, err := v.keys.Prune(t.Context()); err == nil || !strings.Contains(err.Error(), "nothing was changed") {
		t.Errorf("pruning keys that are needed: %v, want a refusal", err)
	}
	v.opens("after a refused prune", 1, 6)
	if sealed, err := v.keys.Rotate(t.Context()); err != nil || sealed != 5 {
		t.Errorf("got %d sealed anew, %v, want the 5 that were left", sealed, err)
	}
	if n := v.keys.count(); n != 2 {
		t.Errorf("got %d keys, want no third for a rotation that is finished", n)
	}
	v.opens("after finishing", 6, 6)
}

func TestKeysThatAreLostStopARotation(t *testing.T) {
	v := newVault(t, 2)
	if err := os.WriteFile(v.keys.File, []byte(account.FreshKey()), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, do := range map[string]func() error{
		"rotate": func() error { _, err := v.keys.Rotate(t.Context()); return err },
		"prune":  func() error { _, err := v.keys.Prune(t.Context()); return err },
	} {
		if err := do(); err == nil || !strings.Contains(err.Error(), "2 sessions open with no key") {
			t.Errorf("%s: got %v, want a refusal", name, err)
		}
	}
	if n := v.keys.count(); n != 1 {
		t.Errorf("got %d keys, want nothing changed", n)
	}
	v.keys.File += ".none"
	if _, err := v.keys.Rotate(t.Context()); err == nil {
		t.Error("a key file that is not there was made")
	}
}
