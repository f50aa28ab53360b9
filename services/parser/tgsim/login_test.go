package tgsim_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/gotd/td/telegram"
	"github.com/gotd/td/telegram/auth"
	"github.com/gotd/td/telegram/auth/qrlogin"
	"github.com/gotd/td/telegram/dcs"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"
	"github.com/gotd/td/transport"

	"github.com/tidemark/tidemark/services/parser/tgsim"
)

// locked is an account with a password.
var locked = tgsim.Account{ID: 77, Phone: "+10000000077", Code: "54321", Password: "correct horse", FirstName: "Locked"}

// run is a client's life, with its error.
func run(t testing.TB, o telegram.Options, fn func(ctx context.Context, c *telegram.Client) error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c := telegram.NewClient(1, "hash", o)
	return c.Run(ctx, func(ctx context.Context) error { return fn(ctx, c) })
}

func TestLogin(t *testing.T) {
	t.Parallel()
	srv := serve(t, tgsim.Spec{Messages: 5, Accounts: []tgsim.Account{tgsim.DefaultAccount(), locked}},
		tgsim.Options{APIID: 1, APIHash: "hash"})
	for name, c := range map[string]struct{ phone, code, password, want string }{
		"by code":              {phone: "+10000000000", code: "12345"},
		"without the plus":     {phone: "10000000000", code: "12345"},
		"wrong code":           {phone: "+10000000000", code: "99999", want: "PHONE_CODE_INVALID"},
		"unknown phone":        {phone: "+19999999999", code: "12345", want: "PHONE_NUMBER_INVALID"},
		"by code and password": {phone: locked.Phone, code: locked.Code, password: locked.Password},
		"wrong password":       {phone: locked.Phone, code: locked.Code, password: "battery staple", want: "PASSWORD_HASH_INVALID"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := run(t, fresh(t, srv), func(ctx context.Context, client *telegram.Client) error {
				f := auth.NewFlow(auth.Constant(c.phone, c.password, auth.CodeAuthenticatorFunc(
					func(context.Context, *tg.AuthSentCode) (string, error) { return c.code, nil })), auth.SendCodeOptions{})
				if err := client.Auth().IfNecessary(ctx, f); err != nil {
					return err
				}
				_, err := client.Self(ctx)
				return err
			})
			if c.want == "" && err != nil || c.want != "" && !tgerr.Is(err, c.want) && !(c.want == "PASSWORD_HASH_INVALID" && errors.Is(err, auth.ErrPasswordInvalid)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestNobodyLoggedIn(t *testing.T) {
	t.Parallel()
	srv := serve(t, tgsim.Spec{Messages: 5}, tgsim.Options{})
	err := run(t, fresh(t, srv), func(ctx context.Context, c *telegram.Client) error {
		_, err := resolve(ctx, c, "channel_1")
		return err
	})
	if !tgerr.Is(err, "AUTH_KEY_UNREGISTERED") {
		t.Errorf("got %v", err)
	}
}

func TestWrongAPI(t *testing.T) {
	t.Parallel()
	srv := serve(t, tgsim.Spec{Messages: 5}, tgsim.Options{APIID: 5, APIHash: "other"})
	err := run(t, fresh(t, srv), func(ctx context.Context, c *telegram.Client) error {
		return c.Auth().IfNecessary(ctx, flow("+10000000000", "12345"))
	})
	if !tgerr.Is(err, "API_ID_INVALID") {
		t.Errorf("got %v", err)
	}
}

func TestWrongKey(t *testing.T) {
	t.Parallel()
	another, err := tgsim.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	srv, other := serve(t, tgsim.Spec{Messages: 5}, tgsim.Options{}), serve(t, tgsim.Spec{Messages: 5}, tgsim.Options{Key: another})
	o := fresh(t, srv)
	o.PublicKeys = fresh(t, other).PublicKeys
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	err = telegram.NewClient(1, "hash", o).Run(ctx, func(context.Context) error { return nil })
	if err == nil {
		t.Error("a client with another key got in")
	}
}

func TestQR(t *testing.T) {
	t.Parallel()
	srv := serve(t, tgsim.Spec{Messages: 5}, tgsim.Options{})
	dispatcher := tg.NewUpdateDispatcher()
	scanned := qrlogin.OnLoginToken(dispatcher)
	o := fresh(t, srv)
	o.UpdateHandler = dispatcher
	if err := srv.Scan("+10000000000"); !errors.Is(err, tgsim.ErrNoToken) {
		t.Errorf("scan of nothing: %v", err)
	}
	err := run(t, o, func(ctx context.Context, c *telegram.Client) error {
		_, err := c.QR().Auth(ctx, scanned, func(context.Context, qrlogin.Token) error { return srv.Scan("+10000000000") })
		if err != nil {
			return err
		}
		_, err = c.Self(ctx)
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestSessions: a saved session needs no login: on another connection, after the datacenter's restart, not after its revocation.
func TestSessions(t *testing.T) {
	t.Parallel()
	state := filepath.Join(t.TempDir(), "state.json")
	srv := serve(t, tgsim.Spec{Messages: 5}, tgsim.Options{State: state})
	o := fresh(t, srv)
	with(t, o, func(context.Context, *telegram.Client) error { return nil })
	read := func(o telegram.Options) error {
		return run(t, o, func(ctx context.Context, c *telegram.Client) error {
			_, err := resolve(ctx, c, "channel_1")
			return err
		})
	}
	if err := read(o); err != nil {
		t.Error("second client:", err)
	}
	again := serve(t, tgsim.Spec{Messages: 5}, tgsim.Options{State: state})
	moved := fresh(t, again)
	old, err := rehome(t.Context(), o.SessionStorage)
	if err != nil {
		t.Fatal(err)
	}
	if err := moved.SessionStorage.StoreSession(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	if err := read(moved); err != nil {
		t.Error("after a restart:", err)
	}
	if err := srv.Revoke("+10000000000"); err != nil {
		t.Fatal(err)
	}
	if err := read(o); !tgerr.Is(err, "AUTH_KEY_UNREGISTERED") {
		t.Error("after revocation:", err)
	}
}

func TestForwardSecrecy(t *testing.T) {
	t.Parallel()
	srv := serve(t, tgsim.Spec{Messages: 5}, tgsim.Options{})
	o := fresh(t, srv)
	o.EnablePFS = true
	for range 2 { // the second time with the permanent key of the first
		with(t, o, func(ctx context.Context, c *telegram.Client) error {
			_, err := resolve(ctx, c, "channel_1")
			return err
		})
	}
	if n := srv.Requests()["auth.signIn"]; n != 1 {
		t.Errorf("%d logins, want 1", n)
	}
}

func TestTransports(t *testing.T) {
	t.Parallel()
	srv := serve(t, tgsim.Spec{Messages: 5}, tgsim.Options{})
	for name, o := range map[string]dcs.PlainOptions{
		"abridged":            {Protocol: transport.Abridged},
		"intermediate":        {Protocol: transport.Intermediate},
		"padded intermediate": {Protocol: transport.PaddedIntermediate},
		"full":                {Protocol: transport.Full},
		"obfuscated":          {Protocol: transport.Abridged, Obfuscated: true},
		"obfuscated, padded":  {Protocol: transport.PaddedIntermediate, Obfuscated: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := options(t, srv)
			client.Resolver = dcs.Plain(o)
			with(t, client, func(ctx context.Context, c *telegram.Client) error {
				_, err := resolve(ctx, c, "channel_1")
				return err
			})
		})
	}
}
