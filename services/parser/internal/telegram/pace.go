package telegram

import (
	"context"
	"time"

	"golang.org/x/time/rate"

	"github.com/tidemark/tidemark/services/parser/internal/account"
	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

// pace is our own limit on one method of one account, well below where Telegram's would be.
type pace struct{ limiter *rate.Limiter }

// newPace allows perSecond calls, and burst at once; 0 is no limit.
func newPace(perSecond float64, burst int) pace {
	if perSecond <= 0 {
		return pace{rate.NewLimiter(rate.Inf, 0)}
	}
	return pace{rate.NewLimiter(rate.Limit(perSecond), max(1, burst))}
}

// wait returns when it is our turn; when that is too far away, it is a wait like Telegram's.
func (p pace) wait(ctx context.Context, now time.Time, id account.ID, method string) error {
	turn := p.limiter.ReserveN(now, 1)
	delay := turn.DelayFrom(now)
	if delay <= 0 {
		return nil
	}
	if deadline, ok := ctx.Deadline(); delay > account.Patience || ok && deadline.Before(now.Add(delay)) {
		turn.CancelAt(now)
		return &ingest.FloodError{Account: ingest.AccountID(id), Method: method, Wait: delay}
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		turn.CancelAt(now)
		return context.Cause(ctx)
	}
}
