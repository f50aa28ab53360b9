package outbox

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

const (
	// batch is how many events are published at once.
	batch = 1000
	// soonest and latest bound the wait between looks at an outbox that has nothing: it grows from the one to the other. An event can be
	// committed and not yet readable, while an older transaction is under way; then nobody wakes us when it ends.
	soonest, latest = 5 * time.Millisecond, 500 * time.Millisecond
	// patience is the longest wait after trouble, and between tries to lead.
	patience = 2 * time.Second
)

// Relay publishes an outbox to a stream. Of all relays of a database one leads; the others wait for its end.
type Relay struct {
	outbox    ingest.Outbox
	redis     redis.UniversalClient
	stream    string
	log       *slog.Logger
	published func(n int)
	woken     chan struct{}
}

// NewRelay makes a relay; published hears how many events went out.
func NewRelay(outbox ingest.Outbox, client redis.UniversalClient, stream string, log *slog.Logger, published func(n int)) *Relay {
	return &Relay{outbox: outbox, redis: client, stream: stream, log: log, published: published, woken: make(chan struct{}, 1)}
}

// Wake tells that something was committed. It never blocks.
func (r *Relay) Wake() {
	select {
	case r.woken <- struct{}{}:
	default:
	}
}

// Run publishes until ctx ends. Troubles of either store are waited out; nothing is lost, what was sent last may be sent again.
func (r *Relay) Run(ctx context.Context) error {
	for wait := soonest; ctx.Err() == nil; wait = min(2*wait, patience) {
		sent, err := r.lead(ctx)
		if sent > 0 {
			wait = soonest
		}
		if err != nil && ctx.Err() == nil {
			r.log.WarnContext(ctx, "publishing events was interrupted", "err", err, "retry_in", wait)
		}
		sleep(ctx, wait, nil)
	}
	return nil
}

// lead publishes for as long as it leads, if it does.
func (r *Relay) lead(ctx context.Context) (sent int64, err error) {
	lead, leads, err := r.outbox.Lead(ctx)
	if err != nil || !leads {
		return 0, err
	}
	defer lead.Close()
	r.log.InfoContext(ctx, "publishing events", "stream", r.stream)
	return r.publish(ctx, lead)
}

// publish sends what there is and what comes, until trouble or the end. While one batch is sent, the next is read; so a batch is marked as
// sent together with the reading of the next but one, or as soon as there is nothing to read. At the end what was read is sent and
// marked, so that a clean stop repeats nothing.
func (r *Relay) publish(ctx context.Context, lead ingest.Lead) (sent int64, err error) {
	var ready []ingest.Outgoing
	for idle := soonest; ctx.Err() == nil; {
		next, err := r.step(ctx, lead, sent, ready, batch)
		if err != nil {
			return sent, err
		}
		sent += int64(len(ready))
		if len(next) == 0 && len(ready) == 0 {
			if idle = min(2*idle, latest); sleep(ctx, idle, r.woken) {
				idle = soonest
			}
			continue
		}
		ready, idle = next, soonest
	}
	if _, err := r.step(ctx, lead, sent, ready, 0); err != nil {
		return sent, err
	}
	sent += int64(len(ready))
	_, err = r.step(ctx, lead, sent, nil, 0)
	return sent, err
}

// stepWithin bounds one batch; a step that began is finished even when the end has come.
const stepWithin = 5 * time.Second

// step sends one batch while it marks what was sent before, and reads the next.
func (r *Relay) step(ctx context.Context, lead ingest.Lead, sent int64, ready []ingest.Outgoing, limit int) ([]ingest.Outgoing, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepWithin)
	defer cancel()
	next := make(chan fetched, 1)
	go func() {
		events, err := lead.Next(ctx, sent, limit)
		next <- fetched{events, err}
	}()
	err := r.send(ctx, ready)
	got := <-next
	if err == nil {
		err = got.err
	}
	return got.events, err
}

type fetched struct {
	events []ingest.Outgoing
	err    error
}

// send adds events to the stream in one pipeline.
func (r *Relay) send(ctx context.Context, events []ingest.Outgoing) error {
	if len(events) == 0 {
		return nil
	}
	pipe := r.redis.Pipeline()
	for i := range events {
		e := &events[i]
		pipe.Do(ctx, "XADD", r.stream, "*", "event", e.Bytes, "id", ingest.EventID(e.Channel, e.Message, e.Revision, e.Kind), "kind", string(e.Kind),
			"channel", strconv.FormatInt(int64(e.Channel), 10), "message", strconv.FormatInt(int64(e.Message), 10))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("add %d events to the stream: %w", len(events), err)
	}
	r.published(len(events))
	return nil
}

// sleep waits for the end of d, of ctx, or for woken, which is what it answers.
func sleep(ctx context.Context, d time.Duration, woken <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-woken:
		return true
	case <-ctx.Done():
	}
	return false
}
