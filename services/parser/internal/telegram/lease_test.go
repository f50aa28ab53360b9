package telegram

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemark/tidemark/services/parser/internal/account"
	"github.com/tidemark/tidemark/services/parser/internal/account/accounttest"
)

// slowStore renews a lease for a while; then its answers never come, or are refusals.
type slowStore struct {
	*accounttest.Store
	until time.Time
	good  time.Time // when it last renewed
	fails error     // nil: it hangs
}

func (s *slowStore) Renew(ctx context.Context, l account.Lease, state account.State, okAt time.Time) error {
	if time.Now().Before(s.until) {
		s.good = time.Now()
		return nil
	}
	if s.fails != nil {
		return s.fails
	}
	<-ctx.Done()
	return ctx.Err()
}

// A connection is closed before another process may have the account, however the store that should renew its lease behaves.
func TestAReaderEndsBeforeItsLease(t *testing.T) {
	t.Parallel()
	for name, fails := range map[string]error{"the store hangs": nil, "the store refuses": errors.New("no"), "the lease is lost": account.ErrLeaseLost} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const well = time.Minute + 500*time.Millisecond
				began, log := time.Now(), slog.New(slog.DiscardHandler)
				store := &slowStore{Store: accounttest.NewStore(), until: began.Add(well), fails: fails}
				counted, err := newMetrics(prometheus.NewRegistry())
				if err != nil {
					t.Fatal(err)
				}
				p := &Pool{store: store, now: time.Now, log: log, metrics: counted}
				ctx, stop := context.WithCancelCause(t.Context())
				r := &reader{session: newSealedStorage(store, account.Lease{}, nil, log), stop: stop, changed: make(chan struct{}, 1)}
				go p.renew(ctx, r)
				<-ctx.Done()
				if got := time.Since(store.good); store.good.Sub(began) < well-account.LeaseRenew || got > account.LeaseTTL-account.Margin {
					t.Errorf("ended %s after the last renewal, at %s; want at most %s", got, store.good.Sub(began), account.LeaseTTL-account.Margin)
				}
			})
		})
	}
}
