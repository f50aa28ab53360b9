package telegram

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemark/tidemark/services/parser/internal/account"
)

// renew keeps a reader's lease until ctx ends, and ends the reader when the lease is lost, or so near its end that another process may soon have it.
func (p *Pool) renew(ctx context.Context, r *reader) {
	ticker := time.NewTicker(account.LeaseRenew)
	defer ticker.Stop()
	good := p.now() // keeps the monotonic clock: how old the lease is, whatever the wall clocks say
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-r.changed:
		}
		asked := p.now()
		last := good.Add(account.LeaseTTL - account.Margin) // a renewal that hangs must not outlive the lease
		err := p.renewOnce(ctx, r, last.Sub(asked))
		switch {
		case err == nil:
			good = asked
		case errors.Is(err, account.ErrLeaseLost):
			p.log.Warn("account was taken over", "account", r.id())
			r.stop(err)
			return
		case ctx.Err() == nil && p.now().Add(account.LeaseRenew).After(last):
			p.log.Error("account's lease cannot be renewed, closing its connection", "account", r.id(), "err", err)
			r.stop(err)
			return
		}
	}
}

func (p *Pool) renewOnce(ctx context.Context, r *reader, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, min(storeTimeout, within))
	defer cancel()
	state := r.state()
	p.metrics.accounts.DeletePartialMatch(labelAccount(r.id()))
	p.metrics.accounts.With(prometheus.Labels{"account": labelAccount(r.id())["account"], "state": string(state)}).Set(1)
	var okAt time.Time
	if at := r.okAt.Load(); at != 0 {
		okAt = time.Unix(0, at).UTC()
	}
	return errors.Join(p.store.Renew(ctx, r.lease, state, okAt), r.session.flush(ctx))
}

func labelAccount(id account.ID) prometheus.Labels {
	return prometheus.Labels{"account": strconv.FormatInt(int64(id), 10)}
}
