package telegram_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidemark/tidemark/services/parser/internal/account"
	"github.com/tidemark/tidemark/services/parser/internal/telegram"
	"github.com/tidemark/tidemark/services/parser/tgsim"
	"github.com/tidemark/tidemark/services/parser/tgsim/fault"
)

// attempt is a login whose steps the test sees.
type attempt struct {
	steps  chan account.LoginStep
	ended  chan error
	cancel context.CancelFunc
}

func start(t *testing.T, p *telegram.Pool, phone string) attempt {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	a := attempt{make(chan account.LoginStep, 10), make(chan error, 1), cancel}
	t.Cleanup(cancel)
	go func() {
		a.ended <- p.StartLogin(ctx, phone, func(s account.LoginStep) error {
			a.steps <- s
			return nil
		})
	}()
	return a
}

func (a attempt) want(t *testing.T, state account.LoginState) account.LoginStep {
	t.Helper()
	select {
	case s := <-a.steps:
		if s.State != state {
			t.Fatalf("got step %+v, want %v", s, state)
		}
		return s
	case err := <-a.ended:
		a.ended <- err
		if len(a.steps) == 0 {
			t.Fatalf("the login ended with %v, want step %v", err, state)
		}
		return a.want(t, state)
	}
}

func TestLoginWithAWrongCodeThenTheRightOne(t *testing.T) {
	t.Parallel()
	r := newRig(t, tgsim.Spec{Messages: 10})
	p, _ := r.pool()
	a := start(t, p, "+1 (000) 000-00-00")
	step := a.want(t, account.CodeNeeded)
	if _, err := p.SubmitPassword(t.Context(), step.Login, "x"); !errors.Is(err, account.ErrOrder) {
		t.Errorf("password before code: got %v, want ErrOrder", err)
	}
	if _, err := p.SubmitCode(t.Context(), step.Login, "00000"); !errors.Is(err, account.ErrCode) {
		t.Errorf("wrong code: got %v, want ErrCode", err)
	}
	if state, err := p.SubmitCode(t.Context(), step.Login, code); err != nil || state != account.LoggedIn {
		t.Errorf("right code: got %v, %v, want LoggedIn", state, err)
	}
	done := a.want(t, account.LoggedIn)
	if err := <-a.ended; err != nil {
		t.Errorf("got %v at the end", err)
	}
	got := r.state(done.Account)
	if got.State != account.Active || got.MaskedPhone != "+*********00" || got.CreatedAt.IsZero() {
		t.Errorf("got %+v", got)
	}
	r.resolve(p, news) // reads at once
	if _, err := p.SubmitCode(t.Context(), step.Login, code); !errors.Is(err, account.ErrNoLogin) {
		t.Errorf("after the end: got %v, want ErrNoLogin", err)
	}
	eventually(t, "the last answer's instant is stored", func() bool { return r.state(done.Account).State == account.Active })
}

func TestLoginWithASecondFactor(t *testing.T) {
	t.Parallel()
	r := newRig(t, tgsim.Spec{Messages: 10, Accounts: []tgsim.Account{{ID: 77, Phone: phone, Code: code, Password: "open sesame", FirstName: "A"}}})
	p, _ := r.pool()
	a := start(t, p, phone)
	step := a.want(t, account.CodeNeeded)
	if state, err := p.SubmitCode(t.Context(), step.Login, code); err != nil || state != account.PasswordNeeded {
		t.Fatalf("code: got %v, %v, want PasswordNeeded", state, err)
	}
	a.want(t, account.PasswordNeeded)
	if _, err := p.SubmitPassword(t.Context(), step.Login, "open barley"); !errors.Is(err, account.ErrPassword) {
		t.Errorf("wrong password: got %v, want ErrPassword", err)
	}
	if state, err := p.SubmitPassword(t.Context(), step.Login, "open sesame"); err != nil || state != account.LoggedIn {
		t.Errorf("right password: got %v, %v, want LoggedIn", state, err)
	}
	if done := a.want(t, account.LoggedIn); done.Account != 77 {
		t.Errorf("got account %d, want 77", done.Account)
	}
}

func TestLoginEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	r := newRig(t, tgsim.Spec{Messages: 10})
	p, _ := r.pool()
	a := start(t, p, phone)
	step := a.want(t, account.CodeNeeded)
	a.cancel()
	if err := <-a.ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
	if _, err := p.SubmitCode(t.Context(), step.Login, code); !errors.Is(err, account.ErrNoLogin) {
		t.Errorf("got %v, want ErrNoLogin", err)
	}
}

func TestLoginRefused(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		phone string
		rule  *tgsim.Rule
		want  error
	}{
		"no phone number":      {"tomorrow", nil, account.ErrPhone},
		"unknown phone number": {"+19999999999", nil, account.ErrPhone},
		"no such application":  {phone, &tgsim.Rule{Kind: fault.Fail, Method: "auth.sendCode", Code: 400, Message: "API_ID_INVALID"}, account.ErrAPIID},
		"not signed up":        {phone, &tgsim.Rule{Kind: fault.Fail, Method: "auth.sendCode", Code: 400, Message: "PHONE_NUMBER_UNOCCUPIED"}, account.ErrSignUp},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, tgsim.Spec{Messages: 10})
			if tc.rule != nil {
				r.fault(*tc.rule)
			}
			p, _ := r.pool()
			if err := <-start(t, p, tc.phone).ended; !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
}

func TestLoginFloodIsToldAndNotRepeated(t *testing.T) {
	t.Parallel()
	r := newRig(t, tgsim.Spec{Messages: 10})
	r.fault(tgsim.Rule{Kind: fault.Flood, Method: "auth.sendCode", For: 17 * time.Hour})
	p, _ := r.pool()
	err := <-start(t, p, phone).ended
	var f *account.FloodError
	if !errors.As(err, &f) || f.Wait < 16*time.Hour || f.Method != "auth.sendCode" {
		t.Errorf("got %v, want a flood of 17 hours", err)
	}
	if n := r.srv.Requests()["auth.sendCode"]; n != 1 {
		t.Errorf("telegram was asked %d times, want once", n)
	}
}

func TestLoginWithTheWrongKeyFile(t *testing.T) {
	t.Parallel()
	r := newRig(t, tgsim.Spec{Messages: 10})
	other, err := tgsim.Listen("127.0.0.1:0", r.srv.World(), tgsim.Options{}) // with a key of its own
	if err != nil {
		t.Fatal(err)
	}
	background(t, other.Run)
	r.config.PublicKeysFile = configFor(t, other).PublicKeysFile
	p, _ := r.pool()
	err = <-start(t, p, phone).ended
	var key *account.ServerKeyError
	if !errors.As(err, &key) || key.Address != r.srv.Addr() || key.File != r.config.PublicKeysFile {
		t.Errorf("got %v, want a ServerKeyError naming %s and the file", err, r.srv.Addr())
	}
}

func TestLoginWhereNobodyListens(t *testing.T) {
	t.Parallel()
	r := newRig(t, tgsim.Spec{Messages: 10})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	r.config.DCs = "2=" + address
	p, _ := r.pool()
	began := time.Now()
	err = <-start(t, p, phone).ended
	var away *account.UnreachableError
	if !errors.As(err, &away) || away.Address != address || !strings.Contains(away.Reason, "refused") {
		t.Errorf("got %v, want an UnreachableError naming %s and the refusal", err, address)
	}
	if time.Since(began) > 15*time.Second {
		t.Errorf("took %v", time.Since(began))
	}
}

func TestLoginWhereNobodyAnswers(t *testing.T) {
	t.Parallel()
	r := newRig(t, tgsim.Spec{Messages: 10})
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts, says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	r.config.DCs = "2=" + l.Addr().String()
	p, _ := r.pool()
	began := time.Now()
	err = <-start(t, p, phone).ended
	var away *account.UnreachableError
	if !errors.As(err, &away) || time.Since(began) > 15*time.Second {
		t.Errorf("got %v after %v, want an UnreachableError within 15 s", err, time.Since(began))
	}
}

func TestLogout(t *testing.T) {
	t.Parallel()
	r := newRig(t, tgsim.Spec{Messages: 10})
	p, _ := r.pool()
	id := r.login(p, phone, code, "")
	r.resolve(p, news)
	if err := p.Logout(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if n := r.srv.Requests()["auth.logOut"]; n != 1 {
		t.Errorf("got %d logouts at telegram, want 1", n)
	}
	if _, err := r.store().Account(t.Context(), id, time.Now()); !errors.Is(err, account.ErrUnknown) {
		t.Errorf("got %v, want ErrUnknown", err)
	}
	if err := p.Logout(t.Context(), id); !errors.Is(err, account.ErrUnknown) {
		t.Errorf("again: got %v, want ErrUnknown", err)
	}
	if again := r.login(p, phone, code, ""); again != id {
		t.Errorf("got account %d at the next login, want %d", again, id)
	}
	r.resolve(p, news)
}

func TestOpenRefusesBadConfiguration(t *testing.T) {
	t.Parallel()
	r := newRig(t, tgsim.Spec{Messages: 10})
	noPEM := filepath.Join(t.TempDir(), "no.pem")
	if err := os.WriteFile(noPEM, []byte("not a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		spoil func(*telegram.Config)
		want  string
	}{
		"no api id":        {func(c *telegram.Config) { c.APIID = 0 }, "my.telegram.org"},
		"no api hash":      {func(c *telegram.Config) { c.APIHash = "" }, "my.telegram.org"},
		"no key file":      {func(c *telegram.Config) { c.PublicKeysFile = "/nowhere/keys.pem" }, "/nowhere/keys.pem"},
		"no key in file":   {func(c *telegram.Config) { c.PublicKeysFile = noPEM }, "holds no RSA public key"},
		"dc without port":  {func(c *telegram.Config) { c.DCs = "2=localhost" }, `malformed datacenter "2=localhost"`},
		"dc without host":  {func(c *telegram.Config) { c.DCs = "2=:80" }, "malformed datacenter"},
		"dc no number":     {func(c *telegram.Config) { c.DCs = "x=h:1" }, "malformed datacenter"},
		"dc second broken": {func(c *telegram.Config) { c.DCs = "2=h:1,3=h:99999" }, `"3=h:99999"`},
	} {
		c := r.config
		tc.spoil(&c)
		p, err := telegram.Open(t.Context(), c, telegram.Deps{Now: time.Now, Store: r.store()})
		if err == nil || p != nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want one line with %q", name, err, tc.want)
		}
	}
	c := r.config
	c.DCs, c.PublicKeysFile = "", ""
	if _, err := telegram.Open(t.Context(), c, telegram.Deps{Now: time.Now, Store: r.store()}); err != nil {
		t.Errorf("Telegram's own servers: %v", err)
	}
}
