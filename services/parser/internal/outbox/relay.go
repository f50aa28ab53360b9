package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/trace"

	"github.com/tidemark/tidemark/kit/telemetry"
	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

const (
	// batch is the most events that are published at once. After trouble it is half of what was tried, and grows again by regain per batch that goes
	// out: what is too much at once, for Redis's limits or for the time that a step has, would be too much for ever.
	batch  = 1000
	regain = 20
	// soonest and latest bound the wait between looks at an outbox that has nothing: it grows from the one to the other. An event can be
	// committed and not yet readable, while an older transaction is under way; then nobody wakes us when it ends.
	soonest, latest = 5 * time.Millisecond, 500 * time.Millisecond
	// patience is the longest wait after trouble, and between tries to lead.
	patience = 2 * time.Second
)

// Relay publishes an outbox to a stream. Of all relays of a database one leads; the others wait for its end.
type Relay struct {
	outbox    ingest.Outbox
	stream    stream
	log       *slog.Logger
	published func(n int)
	tracer    trace.Tracer
	woken     chan struct{}
	size      int // of the next batch; Run's alone
}

// NewRelay makes a relay; published hears how many events went out.
func NewRelay(outbox ingest.Outbox, client redis.UniversalClient, name string, log *slog.Logger, traces *telemetry.Traces, published func(n int)) *Relay {
	return &Relay{outbox: outbox, stream: stream{client, name}, log: log, tracer: traces.Tracer("outbox"), published: published, woken: make(chan struct{}, 1), size: batch}
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
			r.size = max(1, r.size/2)
			r.log.WarnContext(ctx, "publishing events was interrupted", "stage", "publish", "err", err, "retry_in", wait, "batch", r.size)
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
	c := course{relay: r, lead: lead, looks: time.NewTicker(lookEvery)}
	defer c.looks.Stop()
	if err := c.begin(ctx); err != nil {
		return 0, err
	}
	err = c.publish(ctx)
	return c.sent, err
}

// course is one time of leading.
type course struct {
	relay *Relay
	lead  ingest.Lead
	end   ingest.Place // how far the stream goes
	sent  int64        // events, so far
	trail trail
	looks *time.Ticker // when to look at the stream again
}

// begin finds out whether the stream is as it was left; what is missing is published again.
func (c *course) begin(ctx context.Context) (err error) {
	if c.end, err = c.relay.stream.end(ctx); err != nil {
		return err
	}
	again, err := c.lead.Published(ctx, c.end)
	if err != nil {
		return err
	}
	if again {
		c.relay.log.WarnContext(ctx, "events were lost in Redis and are published again", "stream", c.relay.stream.name)
	}
	c.relay.log.InfoContext(ctx, "publishing events", "stream", c.relay.stream.name)
	return nil
}

// publish sends what there is and what comes, until trouble or the end. While one batch is sent, the next is read; so a batch is marked as
// sent together with the reading of the next but one, or as soon as there is nothing to read. At the end what was read is sent and
// marked, so that a clean stop repeats nothing.
func (c *course) publish(ctx context.Context) error {
	var ready []ingest.Outgoing
	for idle := soonest; ctx.Err() == nil; {
		next, err := c.step(ctx, ready, c.relay.size)
		if err == nil {
			err = c.look(ctx)
		}
		if err != nil {
			return err
		}
		if len(next) == 0 && len(ready) == 0 {
			if idle = min(2*idle, latest); sleep(ctx, idle, c.relay.woken) {
				idle = soonest
			}
			continue
		}
		ready, idle = next, soonest
	}
	if _, err := c.step(ctx, ready, 0); err != nil {
		return err
	}
	_, err := c.step(ctx, nil, 0)
	return err
}

// lookEvery is how often the stream is looked at while nothing is sent, and how often it is asked who has read what.
const lookEvery = time.Second

// look notices a wipe that no sending would meet, and notes what every consumer group has.
func (c *course) look(ctx context.Context) error {
	select {
	case <-c.looks.C:
	default:
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepWithin)
	defer cancel()
	if end, err := c.relay.stream.end(ctx); err != nil || end != c.end {
		return errors.Join(err, errLost)
	}
	entry, err := c.relay.stream.acked(ctx)
	if err != nil || entry == "" {
		return err
	}
	if place, ok := c.trail.upTo(entry); ok {
		return c.lead.Acknowledged(ctx, place)
	}
	return nil
}

// stepWithin bounds one batch; a step that began is finished even when the end has come.
const stepWithin = 5 * time.Second

// step sends one batch while it marks what was sent before, and reads the next.
func (c *course) step(ctx context.Context, ready []ingest.Outgoing, limit int) ([]ingest.Outgoing, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepWithin)
	defer cancel()
	next, sent := make(chan fetched, 1), c.sent
	go func() {
		events, err := c.lead.Next(ctx, sent, limit)
		next <- fetched{events, err}
	}()
	err := c.send(ctx, ready)
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

// send adds events to the stream, all or none.
func (c *course) send(ctx context.Context, events []ingest.Outgoing) error {
	if len(events) == 0 {
		return nil
	}
	ctx, end := c.relay.span(ctx, events)
	entry, err := c.relay.stream.add(ctx, c.end, events)
	end(err)
	if err != nil {
		return fmt.Errorf("add %d events to the stream: %w", len(events), err)
	}
	c.end = events[len(events)-1].Place
	c.trail.add(entry, c.end)
	c.sent += int64(len(events))
	c.relay.size = min(batch, c.relay.size+regain)
	c.relay.published(len(events))
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
