// Package telegram reads Telegram over MTProto: ingest.Source on top of gotd, with as many accounts as are logged in. It is the only room that
// knows TL's types.
//
// Pool.Run keeps one gotd client per account connected, as long as it holds the account's lease. A question goes to an account that has the
// channel's access hash and is not told to wait; every call passes the same few gates: the allow-list of read-only methods, the account's waits
// (account.Gate), our own pace, a deadline; and its error is judged in one place (errors.go). Answers come back as bytes: pages are
// decoded message by message, so that one that cannot be decoded hides no other (raw.go), what a page proves is computed from the ids
// alone (prove.go), and messages become posts in pure functions (map_*.go).
package telegram

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemark/tidemark/kit/env"
	"github.com/tidemark/tidemark/services/parser/internal/account"
	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

// Config says which Telegram, as which application, and how fast.
type Config struct {
	DCs            string     // "2=HOST:PORT,4=HOST:PORT"; empty means Telegram's own
	PublicKeysFile string     // PEM with the datacenters' RSA keys; empty means Telegram's own, built in
	APIID          int        // of the application, from https://my.telegram.org
	APIHash        env.Secret // of the application
	HistoryRate    float64    // messages.getHistory per second and account; 0 is unlimited
	ResolveRate    float64    // contacts.resolveUsername per second and account; 0 means 1 per 3 seconds, see resolveEvery
	ProbeBatch     int        // channels per messages.getPeerDialogs; 0 means 50
	Address        string     // where other parsers reach this one, HOST:PORT; empty: nowhere
}

// Deps are what a Pool gets from outside.
type Deps struct {
	Log      *slog.Logger          // nil: logs nothing
	Registry prometheus.Registerer // nil: counts nothing
	Now      func() time.Time
	Store    account.Store
	// Calling hears of every call of Telegram: the call is made in the context that it answers, and how it ended is told. Nil: nobody listens.
	Calling func(ctx context.Context, method string) (context.Context, func(error))
}

// Pool reads with all accounts that it holds a lease of.
type Pool struct {
	cfg        Config
	servers    servers
	log        *slog.Logger
	now        func() time.Time
	store      account.Store
	gate       *account.Gate
	metrics    *metrics
	calling    func(context.Context, string) (context.Context, func(error))
	cache      *cache
	owner      string        // of leases: this process
	naming     chan struct{} // held while a username is resolved, so that nobody asks twice
	loaded     chan struct{} // closed when Run has looked at the accounts once
	onceLoaded sync.Once

	mu      sync.Mutex
	spawn   func(account.Lease, []byte) *reader // nil while Run does not run
	readers map[account.ID]*reader
	idle    map[account.ID]account.State // accounts that we do not read with, as of the last look
	parked  map[account.ID]time.Time     // accounts not to be tried again before
	logins  map[string]*login
	noBatch time.Time // until when messages.getPeerDialogs is not tried
}

var _ ingest.Source = (*Pool)(nil)

// Open checks the configuration; it does not connect.
func Open(_ context.Context, c Config, d Deps) (*Pool, error) {
	servers, err := newServers(c.DCs, c.PublicKeysFile)
	if c.APIID <= 0 || c.APIHash == "" {
		err = errors.Join(err, errors.New("no Telegram API id and hash: take them from https://my.telegram.org and set --api-id and --api-hash"))
	}
	if err != nil {
		return nil, err
	}
	if c.ProbeBatch <= 0 {
		c.ProbeBatch = defaultProbeBatch
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Calling == nil {
		d.Calling = func(ctx context.Context, _ string) (context.Context, func(error)) { return ctx, func(error) {} }
	}
	m, err := newMetrics(d.Registry)
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return &Pool{
		cfg: c, servers: servers, log: d.Log, now: d.Now, store: d.Store, calling: d.Calling, gate: account.NewGate(d.Now), metrics: m, cache: newCache(d.Store),
		owner: c.Address + "/" + rand.Text(), naming: make(chan struct{}, 1), loaded: make(chan struct{}),
		readers: map[account.ID]*reader{}, idle: map[account.ID]account.State{}, parked: map[account.ID]time.Time{}, logins: map[string]*login{},
	}, nil
}

// Owner is the name that this process holds leases by: its address, and what tells it from the process that was there before.
func (p *Pool) Owner() string { return p.owner }

// Close has nothing to do: Run ends with its context, and closes what it opened.
func (p *Pool) Close() {}

// usable are the accounts that can be asked now; the error says why there are none.
func (p *Pool) usable(ctx context.Context) ([]*reader, error) {
	if err := p.awaitLoaded(ctx); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []*reader
	var gone error
	for _, r := range p.readers {
		if err := r.gone(); err != nil {
			gone = err
			continue
		}
		all = append(all, r)
	}
	if len(all) > 0 {
		return all, nil
	}
	if gone != nil {
		return nil, gone
	}
	for id, state := range p.idle {
		if state != account.Active && state != account.Unreachable {
			return nil, ended(id, state)
		}
	}
	if len(p.idle) > 0 {
		return nil, ingest.ErrElsewhere
	}
	return nil, ingest.ErrNoAccount
}

// awaitLoaded gives Run a moment, so that the first question after a start is not told that there is no account.
func (p *Pool) awaitLoaded(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, loadPatience)
	defer cancel()
	select {
	case <-p.loaded:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("accounts are not loaded yet: %w", ingest.ErrNoAccount)
	}
}

const loadPatience = 5 * time.Second
