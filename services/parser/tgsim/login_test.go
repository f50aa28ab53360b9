package tgsim_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
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

// TestLogin makes every mistake on the way in, with one client: its key is not logged in until the end.
func TestLogin(t *testing.T) {
	t.Parallel()
	srv := serve(t, tgsim.Spec{Messages: 5, Accounts: []tgsim.Account{tgsim.DefaultAccount(), locked}},
		tgsim.Options{APIID: 1, APIHash: "hash"})
	err := run(t, fresh(t, srv), func(ctx context.Context, client *telegram.Client) error {
		if _, err := resolve(ctx, client, "channel_1"); code(err) != "AUTH_KEY_UNREGISTERED" {
			t.Errorf("nobody logged in: %v", err)
		}
		if _, err := client.API().AuthSendCode(ctx, &tg.AuthSendCodeRequest{PhoneNumber: "+10000000000", APIID: 1, APIHash: "other"}); code(err) != "API_ID_INVALID" {
			t.Errorf("wrong api hash: %v", err)
		}
		for _, c := range []struct {
			name, phone, code, password string
			want                        error
		}{
			{"wrong code", "+10000000000", "99999", "", tgerr.New(400, "PHONE_CODE_INVALID")},
			{"unknown phone", "+19999999999", "12345", "", tgerr.New(400, "PHONE_NUMBER_INVALID")},
			{"wrong password", locked.Phone, locked.Code, "battery staple", auth.ErrPasswordInvalid},
			{"by code and password", locked.Phone, locked.Code, locked.Password, nil},
			{"by code, the plus forgotten", "10000000000", "12345", "", nil},
		} {
			f := auth.NewFlow(auth.Constant(c.phone, c.password, auth.CodeAuthenticatorFunc(
				func(context.Context, *tg.AuthSentCode) (string, error) { return c.code, nil })), auth.SendCodeOptions{})
			err := f.Run(ctx, client.Auth())
			if want, ok := tgerr.As(c.want); ok && !tgerr.Is(err, want.Type) || !ok && !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", c.name, err, c.want)
			}
			if c.want == nil {
				if me, err := client.Self(ctx); err != nil || !strings.HasSuffix(me.Phone, c.phone) {
					t.Errorf("%s: self is %v, %v", c.name, me, err)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
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
