package telegram

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/gotd/td/session"
	td "github.com/gotd/td/telegram"
	"github.com/gotd/td/telegram/dcs"
	"github.com/gotd/td/tgerr"

	"github.com/tidemark/tidemark/services/parser/internal/account"
)

// reader is one account's connection, for as long as we hold its lease.
type reader struct {
	lease   account.Lease
	client  *td.Client
	session *sealedStorage
	history pace
	names   pace

	stop    context.CancelCauseFunc
	ended   chan struct{} // closed when the socket is closed and the lease given back
	ready   chan struct{} // closed at the first connection
	changed chan struct{} // the connection came or went, or the account's state changed
	up      atomic.Bool
	okAt    atomic.Int64 // Unix nanoseconds of the last answer
	sweptAt atomic.Int64 // Unix nanoseconds of the last sweep through the dialogs

	sweeping sync.Mutex // of a first sweep

	mu    sync.Mutex
	final account.State // what ended the account, "" while it reads
}

func (p *Pool) newReader(lease account.Lease, saved []byte, stop context.CancelCauseFunc) *reader {
	r := &reader{
		lease: lease, session: newSealedStorage(p.store, lease, saved, p.log), stop: stop,
		history: newPace(p.cfg.HistoryRate, int(p.cfg.HistoryRate)), names: p.newNamesPace(),
		ended: make(chan struct{}), ready: make(chan struct{}), changed: make(chan struct{}, 1),
	}
	r.client = p.newClient(r.session, p.servers.resolver(), r.connection, func(err error) {
		level := slog.LevelDebug // one of many attempts
		if r.up.Load() {
			level = slog.LevelWarn
		}
		p.log.Log(context.Background(), level, "telegram connection lost", "account", lease.Account, "err", err)
	})
	return r
}

// newClient is a gotd client that can only read. Perfect forward secrecy stays off, as in most clients of one's own: it would bind a temporary key to
// the session for each connection, and the session's own key is what we guard anyway. There are no updates: pages are the truth.
func (p *Pool) newClient(storage session.Storage, resolver dcs.Resolver, state func(td.ConnectionState), dead func(error)) *td.Client {
	return td.NewClient(p.cfg.APIID, p.cfg.APIHash.Reveal(), td.Options{
		DC: p.servers.primary, DCList: p.servers.list(), Resolver: resolver, PublicKeys: p.servers.keys,
		SessionStorage: storage, NoUpdates: true, Middlewares: []td.Middleware{td.MiddlewareFunc(onlyAllowed)},
		Device:              td.DeviceConfig{DeviceModel: "Tidemark", SystemVersion: runtime.GOOS, AppVersion: "1"},
		ReconnectionBackoff: reconnection, MigrationTimeout: callTimeout, DialTimeout: connectTimeout, ExchangeTimeout: callTimeout,
		RetryInterval: 3 * time.Second, MaxRetries: 6,
		OnConnectionState: state, OnDead: dead,
	})
}

// connectTimeout bounds a connection's dialing and key exchange; the latter is a second of computing, many where the machine is busy.
const connectTimeout = 40 * time.Second

func reconnection() backoff.BackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval, b.MaxElapsedTime = 50*time.Millisecond, 2*time.Second, 0
	return b
}

func (r *reader) id() account.ID { return r.lease.Account }

func (r *reader) connection(s td.ConnectionState) {
	if s == td.ConnectionStateConnecting {
		return
	}
	r.up.Store(s == td.ConnectionStateReady)
	r.nudge()
}

func (r *reader) nudge() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

func (r *reader) noteOK(now time.Time) { r.okAt.Store(now.UnixNano()) }

// state is how the account is, as far as this connection can tell.
func (r *reader) state() account.State {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.final != "":
		return r.final
	case r.up.Load():
		return account.Active
	}
	return account.Unreachable
}

// gone says why the account can no longer read, nil while it can.
func (r *reader) gone() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.final == "" {
		return nil
	}
	return ended(r.id(), r.final)
}

// becomes ends the reader when the account can no longer read; no state is no change.
func (r *reader) becomes(s account.State, why error) {
	if s == "" {
		return
	}
	r.mu.Lock()
	r.final = s
	r.mu.Unlock()
	r.stop(why)
}

// invoke sends one request and waits for its answer, but not longer than ctx and callTimeout: gotd's own wait does not end with its
// context, it stays to tell the server that the answer is no longer wanted.
func (r *reader) invoke(ctx context.Context, in request) (body, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	select {
	case <-r.ready:
	case <-r.ended:
		return nil, errEnded
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	type result struct {
		answer body
		err    error
	}
	done := make(chan result, 1)
	go func() {
		var answer body
		err := r.client.Invoke(ctx, in, &answer)
		done <- result{answer, err}
	}()
	select {
	case got := <-done:
		return got.answer, got.err
	case <-r.ended:
		return nil, errEnded
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

var errEnded = errors.New("the connection was closed")

// permanent is what became of an account whose connection ended with err.
func permanent(err error) account.State {
	if rpc, ok := tgerr.As(err); ok {
		return judgeRPC(rpc, err).state
	}
	return ""
}
