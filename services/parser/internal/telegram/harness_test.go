package telegram_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemark/tidemark/kit/pg/pgtest"
	"github.com/tidemark/tidemark/services/parser/internal/account"
	"github.com/tidemark/tidemark/services/parser/internal/ingest"
	"github.com/tidemark/tidemark/services/parser/internal/postgres"
	"github.com/tidemark/tidemark/services/parser/internal/telegram"
	"github.com/tidemark/tidemark/services/parser/tgsim"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const (
	phone = "+10000000000"
	code  = "12345"
	news  = "channel_1"
)

var end = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// rig is a simulated Telegram, a database, and whatever pools a test opens on them.
type rig struct {
	t      testing.TB
	srv    *tgsim.Server
	db     *pgxpool.Pool
	config telegram.Config
	keys   string // for sealing
}

func newRig(t testing.TB, spec tgsim.Spec) *rig {
	t.Helper()
	spec.End = end
	w, err := tgsim.NewWorld(spec)
	if err != nil {
		t.Fatal(err)
	}
	known := loggedIn(t)
	state := filepath.Join(t.TempDir(), "logins")
	if err := os.WriteFile(state, known.state, 0o600); err != nil {
		t.Fatal(err)
	}
	srv, err := tgsim.Listen("127.0.0.1:0", w, tgsim.Options{Key: known.key, State: state})
	if err != nil {
		t.Fatal(err)
	}
	background(t, srv.Run)
	return &rig{
		t: t, srv: srv, db: pgtest.New(t, "parser", os.DirFS("../postgres/migrations")), config: configFor(t, srv), keys: strings.Repeat("ab", 32),
	}
}

// configFor says where the server is and how it proves itself.
func configFor(t testing.TB, srv *tgsim.Server) telegram.Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "keys.pem")
	if err := os.WriteFile(file, srv.PublicKeyPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	return telegram.Config{DCs: strconv.Itoa(srv.DC()) + "=" + srv.Addr(), PublicKeysFile: file, APIID: 1, APIHash: "hash", ResolveRate: 1000}
}

// background runs fn until the test, or stop, ends it.
func background(t testing.TB, fn func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- fn(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("got %v from a background loop, want nil", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("a background loop does not end")
		}
	}
	t.Cleanup(stop)
	return stop
}

func (r *rig) store() *postgres.Accounts {
	r.t.Helper()
	key, err := account.LoadKey(r.keys, "")
	if err != nil {
		r.t.Fatal(err)
	}
	sealer, err := account.NewSealer(key)
	if err != nil {
		r.t.Fatal(err)
	}
	return postgres.NewAccounts(r.db, sealer)
}

// open is a pool that does not run yet.
func (r *rig) open() *telegram.Pool {
	r.t.Helper()
	p, err := telegram.Open(r.t.Context(), r.config, telegram.Deps{
		Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(), Now: func() time.Time { return time.Now().UTC() }, Store: r.store(),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

// pool is one that runs.
func (r *rig) pool() (p *telegram.Pool, stop func()) {
	r.t.Helper()
	p = r.open()
	return p, background(r.t, p.Run)
}

// reading is a running pool with the default account, which logged in before.
func (r *rig) reading() (p *telegram.Pool, id account.ID, stop func()) {
	r.t.Helper()
	id = account.ID(tgsim.DefaultAccount().ID)
	lease, err := r.store().Adopt(r.t.Context(), account.Account{ID: id, CreatedAt: end}, loggedIn(r.t).session, "the login")
	if err == nil {
		err = r.store().Release(r.t.Context(), lease)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	p, stop = r.pool()
	return p, id, stop
}

// login goes through all steps.
func (r *rig) login(p *telegram.Pool, phone, code, password string) account.ID {
	r.t.Helper()
	var id account.ID
	err := p.StartLogin(r.t.Context(), phone, func(s account.LoginStep) error {
		switch s.State {
		case account.CodeNeeded:
			go func() { _, _ = p.SubmitCode(r.t.Context(), s.Login, code) }()
		case account.PasswordNeeded:
			go func() { _, _ = p.SubmitPassword(r.t.Context(), s.Login, password) }()
		case account.LoggedIn:
			id = s.Account
		}
		return nil
	})
	if err != nil {
		r.t.Fatalf("log in: %v", err)
	}
	return id
}

func (r *rig) resolve(p *telegram.Pool, name string) ingest.ChannelID {
	r.t.Helper()
	c, err := p.Resolve(r.t.Context(), ingest.Ref{Username: name})
	if err != nil {
		r.t.Fatalf("resolve %s: %v", name, err)
	}
	return c.ID
}

func (r *rig) truth(ref string) tgsim.Truth {
	r.t.Helper()
	truth, err := r.srv.World().Truth(ref)
	if err != nil {
		r.t.Fatal(err)
	}
	return truth
}

func (r *rig) fault(rule tgsim.Rule) {
	r.t.Helper()
	if err := r.srv.Faults().Add(rule); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) state(id account.ID) account.Account {
	r.t.Helper()
	a, err := r.store().Account(r.t.Context(), id, time.Now())
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

// eventually polls what only another goroutine, or the database, can tell.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 10 s", what)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// readAll reads a range page by page and hands over what came.
func readAll(t testing.TB, p *telegram.Pool, channel ingest.ChannelID, within ingest.Range, dir ingest.Direction) (posts []ingest.Post, unreadable []ingest.Unreadable, pages int) {
	t.Helper()
	for within.First <= within.Last {
		page, err := p.Page(t.Context(), channel, within, dir)
		if err != nil {
			t.Fatalf("page of %v: %v", within, err)
		}
		pages++
		posts, unreadable = append(posts, page.Posts...), append(unreadable, page.Unreadable...)
		if c := page.Covered; dir == ingest.Up && c.First == within.First {
			within.First = c.Last + 1
		} else if dir == ingest.Down && c.Last == within.Last {
			within.Last = c.First - 1
		} else {
			t.Fatalf("%v: covered is %v", within, c)
		}
	}
	return posts, unreadable, pages
}

func isFlood(err error) (*ingest.FloodError, bool) {
	var f *ingest.FloodError
	return f, errors.As(err, &f)
}
