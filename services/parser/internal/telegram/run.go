package telegram

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tidemark/tidemark/services/parser/internal/account"
)

const (
	// lookEvery is how often accounts are looked for that nobody reads with.
	lookEvery = 500 * time.Millisecond
	// parkFor keeps an account away whose connection ended for good; a fresh login ends it.
	parkFor = time.Hour
	// storeTimeout bounds the store's part in keeping a connection.
	storeTimeout = 5 * time.Second
	// listPage is how many accounts are listed at once.
	listPage = 100
)

// Run reads with every account whose lease it can get, until ctx ends; then it closes the connections and gives the leases back.
// A session that does not open with our key ends it with a *account.KeyError.
func (p *Pool) Run(ctx context.Context) error {
	work, ctx := errgroup.WithContext(ctx)
	p.mu.Lock()
	p.spawn = func(l account.Lease, session []byte) *reader {
		ctx, stop := context.WithCancelCause(ctx)
		r := p.newReader(l, session, stop)
		work.Go(func() error {
			defer stop(nil)
			p.keep(ctx, r)
			return nil
		})
		return r
	}
	p.mu.Unlock()
	work.Go(func() error { return p.look(ctx) })
	err := work.Wait()
	p.mu.Lock()
	p.spawn = nil
	p.mu.Unlock()
	return err
}

// look takes accounts in that nobody reads with.
func (p *Pool) look(ctx context.Context) error {
	defer p.stopSpawning()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		err := p.enlist(ctx)
		var key *account.KeyError
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &key):
			return fmt.Errorf("read with account %d: %w", key.Account, key)
		case err != nil:
			p.log.Error("look for accounts", "err", err)
		default:
			p.onceLoaded.Do(func() { close(p.loaded) })
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// stopSpawning keeps a login that ends late from starting a reader that nobody waits for.
func (p *Pool) stopSpawning() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spawn = nil
}

func (p *Pool) enlist(ctx context.Context) error {
	idle := map[account.ID]account.State{}
	for after := account.ID(0); ; {
		ctx, cancel := context.WithTimeout(ctx, storeTimeout)
		found, err := p.store.Accounts(ctx, after, listPage, p.now())
		cancel()
		if err != nil {
			return fmt.Errorf("list accounts: %w", err)
		}
		for _, a := range found {
			after = a.ID
			taken, err := p.take(ctx, a)
			if err != nil {
				return err
			}
			if !taken {
				idle[a.ID] = a.State
			}
		}
		if len(found) < listPage {
			break
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = idle
	return nil
}

// take reads with an account unless someone does already, or it makes no sense.
func (p *Pool) take(ctx context.Context, a account.Account) (bool, error) {
	p.mu.Lock()
	_, running := p.readers[a.ID]
	parked := p.now().Before(p.parked[a.ID])
	p.mu.Unlock()
	if running || !a.State.Readable() || parked {
		return running, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	lease, session, err := p.store.Acquire(ctx, a.ID, p.owner)
	var key *account.KeyError
	switch {
	case errors.Is(err, account.ErrLeased), errors.Is(err, account.ErrUnknown):
		return false, nil
	case errors.As(err, &key):
		return false, err
	case err != nil:
		return false, fmt.Errorf("take account %d: %w", a.ID, err)
	}
	for _, f := range a.Floods {
		p.gate.Block(f)
	}
	return true, p.start(ctx, lease, session)
}

// start begins to read; when Run has ended meanwhile, the lease goes back.
func (p *Pool) start(ctx context.Context, lease account.Lease, session []byte) error {
	p.mu.Lock()
	if p.spawn == nil {
		p.mu.Unlock()
		return p.store.Release(ctx, lease)
	}
	p.readers[lease.Account] = p.spawn(lease, session)
	delete(p.parked, lease.Account)
	delete(p.idle, lease.Account)
	p.mu.Unlock()
	p.cache.forgetAll()
	return nil
}

// keep runs one connection and its lease to their end, in that order.
func (p *Pool) keep(ctx context.Context, r *reader) {
	defer close(r.ended)
	renewing := make(chan struct{})
	go func() {
		defer close(renewing)
		p.renew(ctx, r)
	}()
	err := r.client.Run(ctx, func(ctx context.Context) error {
		close(r.ready)
		<-ctx.Done()
		return nil
	})
	r.becomes(permanent(err), err)
	r.stop(err)
	<-renewing
	p.leave(ctx, r, err)
}

// leave takes a reader whose socket is closed off the list and gives its lease back.
func (p *Pool) leave(ctx context.Context, r *reader, err error) {
	p.mu.Lock()
	if p.readers[r.id()] == r {
		delete(p.readers, r.id())
	}
	r.mu.Lock()
	final := r.final
	r.mu.Unlock()
	if final != "" {
		p.parked[r.id()] = p.now().Add(parkFor)
		p.idle[r.id()] = final
	}
	p.mu.Unlock()
	p.metrics.accounts.DeletePartialMatch(labelAccount(r.id()))
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	if final != "" {
		p.log.Error("account can no longer read", "account", r.id(), "state", final, "err", err)
		err = p.store.Renew(ctx, r.lease, final, time.Time{})
	} else {
		err = r.session.flush(ctx)
	}
	if err = errors.Join(err, p.store.Release(ctx, r.lease)); err != nil && !errors.Is(err, account.ErrLeaseLost) {
		p.log.Warn("give account back", "account", r.id(), "err", err)
	}
}
