package tgsim_test

import (
	"context"
	"errors"
	"net"
	"strconv"
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
	srv, err := tgsim.Listen("127.0.0.1:0", w, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
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

// options are an unmodified client's: only the list of datacenters and the key file say where it talks to.
func options(t testing.TB, srv *tgsim.Server) telegram.Options {
	t.Helper()
	keys, err := crypto.ParseRSAPublicKeys(srv.PublicKeyPEM())
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(srv.Addr())
	n, _ := strconv.Atoi(port)
	return telegram.Options{
		DC: srv.DC(), DCList: dcs.List{Options: []tg.DCOption{{ID: srv.DC(), IPAddress: host, Port: n, Static: true}}},
		Resolver: dcs.Plain(dcs.PlainOptions{}), PublicKeys: []telegram.PublicKey{{RSA: keys[0]}},
		SessionStorage: &session.StorageMemory{}, RetryInterval: time.Second,
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
