package telegram

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gotd/td/exchange"
	"github.com/gotd/td/session"
	"github.com/gotd/td/tg"

	"github.com/tidemark/tidemark/services/parser/internal/account"
)

const (
	// loginLife bounds a login that nobody finishes.
	loginLife = 10 * time.Minute
	// connectPatience bounds how long a login waits for a sign of life; after one it waits for connectTimeout.
	connectPatience = 12 * time.Second
	// hopeless is how many attempts to connect may fail before a login gives up.
	hopeless = 5
)

// login is one that is under way: its connection runs in StartLogin, the code and the password come in from elsewhere.
type login struct {
	pool   *Pool
	id     string
	phone  string
	report func(account.LoginStep) error
	inputs chan input
	ended  chan struct{}
	wait   account.LoginState // what it waits for
}

// result is what a login's connection came to.
type result struct {
	user *tg.User
	last *input // the one that finished the login, answered when the account is in
	err  error
}

type input struct {
	kind  account.LoginState // what it answers: CodeNeeded or PasswordNeeded
	value string
	reply chan outcome // takes one, never blocks
}

type outcome struct {
	state account.LoginState
	err   error
}

// StartLogin logs an account in by phone, and reports each step; it returns when the account reads, when the login failed, or when ctx ended.
// Nothing is asked of Telegram twice: a wait it demands is a *account.FloodError.
func (p *Pool) StartLogin(ctx context.Context, phone string, report func(account.LoginStep) error) error {
	phone, err := normalPhone(phone)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, loginLife, account.ErrAbandoned)
	defer cancel()
	l := &login{pool: p, id: rand.Text(), phone: phone, report: report, inputs: make(chan input), ended: make(chan struct{})}
	p.openLogin(l)
	defer p.closeLogin(l)

	storage := new(session.StorageMemory)
	got := p.authorize(ctx, l, storage)
	if err = got.err; err == nil {
		err = p.adopt(ctx, l, got.user, storage)
	}
	if err != nil {
		err = fmt.Errorf("log in: %w", loginError(ctx, err))
		got.last.answer(outcome{err: err})
		return err
	}
	got.last.answer(outcome{state: account.LoggedIn})
	return report(account.LoginStep{Login: l.id, State: account.LoggedIn, Account: account.ID(got.user.ID)})
}

// SubmitCode hands in the code that Telegram sent. account.ErrCode leaves the login open.
func (p *Pool) SubmitCode(ctx context.Context, login, code string) (account.LoginState, error) {
	return p.submit(ctx, login, account.CodeNeeded, strings.TrimSpace(code))
}

// SubmitPassword hands in the second factor. account.ErrPassword leaves the login open.
func (p *Pool) SubmitPassword(ctx context.Context, login, password string) (account.LoginState, error) {
	return p.submit(ctx, login, account.PasswordNeeded, password)
}

func (p *Pool) submit(ctx context.Context, id string, kind account.LoginState, value string) (account.LoginState, error) {
	p.mu.Lock()
	l := p.logins[id]
	p.mu.Unlock()
	if l == nil {
		return 0, account.ErrNoLogin
	}
	in := input{kind: kind, value: value, reply: make(chan outcome, 1)}
	select {
	case l.inputs <- in:
	case <-l.ended:
		return 0, account.ErrNoLogin
	case <-ctx.Done():
		return 0, fmt.Errorf("hand in: %w", ctx.Err())
	}
	select {
	case got := <-in.reply:
		return got.state, got.err
	case <-l.ended:
		return in.late()
	case <-ctx.Done():
		return 0, fmt.Errorf("hand in: %w", ctx.Err())
	}
}

func (p *Pool) openLogin(l *login) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.logins[l.id] = l
}

func (p *Pool) closeLogin(l *login) {
	p.mu.Lock()
	delete(p.logins, l.id)
	p.mu.Unlock()
	close(l.ended)
}

// answer tells whoever handed the input in; there may be nobody.
func (in *input) answer(o outcome) {
	if in == nil {
		return
	}
	select {
	case in.reply <- o:
	default: // it has its answer
	}
}

// late is the answer after the login's end.
func (in *input) late() (account.LoginState, error) {
	select {
	case got := <-in.reply:
		return got.state, got.err
	default:
		return 0, account.ErrNoLogin
	}
}

// authorize runs the login's own connection; it is closed when authorize returns a user, so that the account's reader is the only one with the session.
func (p *Pool) authorize(ctx context.Context, l *login, storage session.Storage) result {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var failed atomic.Int32
	server := &attentive{Resolver: p.servers.resolver()}
	connecting := time.AfterFunc(connectPatience, func() {
		if !server.alive.Load() {
			cancel(p.noServer(nil))
		}
	})
	defer connecting.Stop()
	computing := time.AfterFunc(connectTimeout, func() { cancel(p.noServer(nil)) })
	defer computing.Stop()
	client := p.newClient(storage, server, nil, func(err error) {
		if failed.Add(1) == hopeless && connecting.Stop() {
			cancel(p.noServer(err))
		}
	})
	ended := make(chan result, 1)
	go func() {
		var got result
		err := client.Run(ctx, func(ctx context.Context) error {
			connecting.Stop()
			computing.Stop()
			got.user, got.last, got.err = l.run(ctx, client)
			return got.err
		})
		if got.user == nil { // else an error of the closing counts for nothing
			got.err = p.connectError(cmp.Or(got.err, err))
		}
		ended <- got
	}()
	select {
	case got := <-ended:
		return got
	case <-ctx.Done(): // gotd finishes a key exchange that nobody answers before it ends; nobody waits for that
		return result{err: context.Cause(ctx)}
	}
}

// connectError names the server when it has none of our keys.
func (p *Pool) connectError(err error) error {
	if errors.Is(err, exchange.ErrKeyFingerprintNotFound) {
		return &account.ServerKeyError{Address: p.servers.address(), File: p.servers.keyFile}
	}
	return cmp.Or(err, errEnded)
}

// noServer says that the datacenter does not answer, with the reason that the operating system gave, if any.
func (p *Pool) noServer(err error) error {
	return &account.UnreachableError{Address: p.servers.address(), Reason: networkReason(err)}
}
