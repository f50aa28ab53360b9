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

// publish sends what there is and what comes, until trouble. While one batch is sent, the next is read; so a batch is marked as sent
// together with the reading of the next but one, or as soon as there is nothing to read.
func (r *Relay) publish(ctx context.Context, lead ingest.Lead) (sent int64, err error) {
	var ready []ingest.Outgoing
	idle := soonest
	for {
		next := make(chan fetched, 1)
		go func(sent int64) {
			events, err := lead.Next(ctx, sent, batch)
			next <- fetched{events, err}
		}(sent)
		sendErr := r.send(ctx, ready)
		got := <-next
		switch {
		case sendErr != nil:
			return sent, sendErr
		case got.err != nil:
			return sent, got.err
		}
		sent += int64(len(ready))
		if len(got.events) == 0 && len(ready) == 0 {
			if idle = min(2*idle, latest); sleep(ctx, idle, r.woken) {
				idle = soonest
			}
			if err := ctx.Err(); err != nil {
				return sent, err
			}
			continue
		}
		ready, idle = got.events, soonest
	}
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
