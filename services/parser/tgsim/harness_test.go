package tgsim_test

import (
	"context"
	"crypto/rsa"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gotd/td/crypto"
	"github.com/gotd/td/session"
	"github.com/gotd/td/telegram"
	"github.com/gotd/td/telegram/auth"
	"github.com/gotd/td/telegram/dcs"
	"github.com/gotd/td/tg"

	"github.com/tidemark/tidemark/services/parser/tgsim"
)

// end is the date of the newest messages in tests' worlds.
var end = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// settled is what all tests share: a datacenter's key, and a client that logged in under it once. The exchange of keys costs a client most
// of a second, so only the tests of logging in do it again.
type settled struct {
	key            *rsa.PrivateKey
	state, session []byte
}

var shared = sync.OnceValues(func() (*settled, error) {
	dir, err := os.MkdirTemp("", "tgsim")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s := &settled{}
	if s.key, err = tgsim.NewKey(); err != nil {
		return nil, err
	}
	w, err := tgsim.NewWorld(tgsim.Spec{})
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "state")
	srv, err := tgsim.Listen("127.0.0.1:0", w, tgsim.Options{Key: s.key, State: file})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	go func() { _ = srv.Run(ctx) }()
	storage := &session.StorageMemory{}
	c := telegram.NewClient(1, "hash", plain(srv, storage))
	err = c.Run(ctx, func(ctx context.Context) error { return c.Auth().IfNecessary(ctx, flow("+10000000000", "12345")) })
	if err != nil {
		return nil, err
	}
	if s.state, err = os.ReadFile(file); err != nil {
		return nil, err
	}
	s.session, err = rehome(ctx, storage)
	return s, err
})

// rehome is a session that forgot the datacenter's address, for another one with the same keys.
func rehome(ctx context.Context, from telegram.SessionStorage) ([]byte, error) {
	data, err := (&session.Loader{Storage: from}).Load(ctx)
	if err != nil {
		return nil, err
	}
	data.Addr, data.Config = "", session.Config{}
	to := &session.StorageMemory{}
	if err := (&session.Loader{Storage: to}).Save(ctx, data); err != nil {
		return nil, err
	}
	return to.LoadSession(ctx)
}

func settle(t testing.TB) *settled {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// serve runs a datacenter for the length of the test.
func serve(t testing.TB, spec tgsim.Spec, o tgsim.Options) *tgsim.Server {
	t.Helper()
	if spec.End.IsZero() {
		spec.End = end
	}
	w, err := tgsim.NewWorld(spec)
	if err != nil {
		t.Fatal(err)
	}
	return serveWorld(t, w, o)
}

func serveWorld(t testing.TB, w *tgsim.World, o tgsim.Options) *tgsim.Server {
	t.Helper()
	if o.Key == nil {
		o.Key = settle(t).key
	}
	if o.State == "" {
		o.State = filepath.Join(t.TempDir(), "state")
		if err := os.WriteFile(o.State, settle(t).state, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	srv, err := tgsim.Listen("127.0.0.1:0", w, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context())) // it outlives the test's own context
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error("run:", err)
		}
	})
	return srv
}

// fresh are the options of a client that has never been here.
func fresh(t testing.TB, srv *tgsim.Server) telegram.Options {
	t.Helper()
	return plain(srv, &session.StorageMemory{})
}

// options are those of a client that is logged in already.
func options(t testing.TB, srv *tgsim.Server) telegram.Options {
	t.Helper()
	storage := &session.StorageMemory{}
	if err := storage.StoreSession(t.Context(), settle(t).session); err != nil {
		t.Fatal(err)
	}
	return plain(srv, storage)
}

// plain is an unmodified client: only the list of datacenters and the key file say where it talks to.
func plain(srv *tgsim.Server, storage telegram.SessionStorage) telegram.Options {
	keys, err := crypto.ParseRSAPublicKeys(srv.PublicKeyPEM())
	if err != nil {
		panic(err)
	}
	host, port, _ := net.SplitHostPort(srv.Addr())
	n, _ := strconv.Atoi(port)
	return telegram.Options{
		DC: srv.DC(), DCList: dcs.List{Options: []tg.DCOption{{ID: srv.DC(), IPAddress: host, Port: n, Static: true}}},
		Resolver: dcs.Plain(dcs.PlainOptions{}), PublicKeys: []telegram.PublicKey{{RSA: keys[0]}},
		SessionStorage: storage, RetryInterval: time.Second,
	}
}

// with runs fn in a client that is logged in.
func with(t testing.TB, o telegram.Options, fn func(ctx context.Context, c *telegram.Client) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
	defer cancel()
	c := telegram.NewClient(1, "hash", o)
	err := c.Run(ctx, func(ctx context.Context) error {
		if err := c.Auth().IfNecessary(ctx, flow("+10000000000", "12345")); err != nil {
			return err
		}
		return fn(ctx, c)
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

func flow(phone, code string) auth.Flow {
	return auth.NewFlow(auth.CodeOnly(phone, auth.CodeAuthenticatorFunc(func(context.Context, *tg.AuthSentCode) (string, error) {
		return code, nil
	})), auth.SendCodeOptions{})
}

// resolve is the channel that a username names.
func resolve(ctx context.Context, c *telegram.Client, name string) (*tg.Channel, error) {
	r, err := c.API().ContactsResolveUsername(ctx, &tg.ContactsResolveUsernameRequest{Username: name})
	if err != nil {
		return nil, err
	}
	return r.Chats[0].(*tg.Channel), nil
}
