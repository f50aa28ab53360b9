package telegram

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/gotd/td/bin"

	"github.com/tidemark/tidemark/services/parser/internal/account"
	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

const (
	// callTimeout bounds one try of one call, waiting for the connection included.
	callTimeout = 15 * time.Second
	// maxTries bounds the repeats of a call that Telegram, or a dying connection, did not answer.
	maxTries = 4
	// maxFloods bounds how often one call is told to wait and does.
	maxFloods = 3
	// firstPause is doubled from try to try.
	firstPause = 100 * time.Millisecond
)

const methodHistory = "messages.getHistory"

// request is any of gotd's.
type request interface {
	bin.Encoder
	TypeName() string
}

// call asks Telegram, politely: not before we may, again when that may help, and never longer than ctx or callTimeout per try. The errors are
// ingest's, or errStale.
func (p *Pool) call(ctx context.Context, r *reader, in request) (_ body, err error) {
	method := in.TypeName()
	ctx, done := p.calling(ctx, method)
	defer func() { done(err) }()
	for tries, floods := 1, 0; ; {
		if err := p.admit(ctx, r, method); err != nil {
			return nil, err
		}
		answer, err := r.invoke(ctx, in)
		v := judge(ctx, err)
		if gone := r.gone(); err != nil && gone != nil { // ended by another call's answer
			return nil, gone
		}
		p.metrics.requests.WithLabelValues(method, v.outcome).Inc()
		switch {
		case err == nil:
			r.noteOK(p.now())
			return answer, nil
		case v.flood > 0:
			p.told(ctx, r.id(), method, v.flood)
			if floods++; floods > maxFloods {
				return nil, &ingest.FloodError{Account: ingest.AccountID(r.id()), Method: method, Wait: v.flood}
			}
		case v.again && tries < maxTries:
			if err := pause(ctx, firstPause<<(tries-1)); err != nil {
				return nil, v.err
			}
			tries++
		default:
			r.becomes(v.state, v.err)
			return nil, fmt.Errorf("%s: %w", method, v.err)
		}
	}
}

// admit returns when the method may be called: after Telegram's waits and at our own pace, or not at all.
func (p *Pool) admit(ctx context.Context, r *reader, method string) error {
	started := p.now()
	defer func() { p.metrics.gateWait.WithLabelValues(method).Observe(p.now().Sub(started).Seconds()) }()
	if _, err := p.gate.Wait(ctx, r.id(), method); err != nil {
		return toFlood(err)
	}
	if method != methodHistory {
		return nil
	}
	return r.history.wait(ctx, p.now(), r.id(), method)
}

// told remembers a wait that Telegram demands; when the store cannot, this process still does.
func (p *Pool) told(ctx context.Context, id account.ID, method string, wait time.Duration) {
	now := p.now()
	f := account.Flood{Account: id, Method: method, Since: now, Until: now.Add(wait)}
	p.gate.Block(f)
	p.metrics.floodWait.WithLabelValues(method).Add(wait.Seconds())
	p.log.WarnContext(ctx, "telegram asks to wait", "account", id, "method", method, "wait", wait)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	if err := p.store.SaveFlood(ctx, f); err != nil {
		p.log.ErrorContext(ctx, "a wait is kept in memory only", "account", id, "method", method, "err", err)
	}
}

// pause waits about d.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d/2 + rand.N(d))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
