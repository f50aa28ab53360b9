package telegram_test

import (
	"context"
	"crypto/rsa"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/tidemark/tidemark/services/parser/internal/account"
	"github.com/tidemark/tidemark/services/parser/internal/account/accounttest"
	"github.com/tidemark/tidemark/services/parser/internal/telegram"
	"github.com/tidemark/tidemark/services/parser/tgsim"
)

// before is a login of the default account, done once for all tests: the key exchange costs a second of computing, and few tests are about it.
type before struct {
	key     *rsa.PrivateKey // of the servers that know the login
	state   []byte          // what such a server remembers
	session []byte          // what the client remembers
}

var once struct {
	sync.Mutex
	done *before
}

func loggedIn(t testing.TB) before {
	t.Helper()
	once.Lock()
	defer once.Unlock()
	if once.done == nil {
		got := logInOnce(t)
		once.done = &got
	}
	return *once.done
}

func logInOnce(t testing.TB) before {
	t.Helper()
	key, err := tgsim.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	w, err := tgsim.NewWorld(tgsim.Spec{End: end})
	if err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(t.TempDir(), "logins")
	srv, err := tgsim.Listen("127.0.0.1:0", w, tgsim.Options{Key: key, State: state})
	if err != nil {
		t.Fatal(err)
	}
	stopServer := background(t, srv.Run)
	store := accounttest.NewStore()
	p, err := telegram.Open(t.Context(), configFor(t, srv), telegram.Deps{Log: slog.New(slog.DiscardHandler), Now: time.Now, Store: store})
	if err != nil {
		t.Fatal(err)
	}
	stop := background(t, p.Run)
	(&rig{t: t}).login(p, phone, code, "")
	stop()
	stopServer()
	_, session, err := store.Acquire(context.WithoutCancel(t.Context()), account.ID(tgsim.DefaultAccount().ID), "test")
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(state)
	if err != nil {
		t.Fatal(err)
	}
	return before{key: key, state: file, session: session}
}
