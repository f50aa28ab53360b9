package main

import (
	"context"
	"strconv"
	"syscall"
	"time"

	"google.golang.org/grpc"

	schedulerv1 "github.com/tidemark/tidemark/gen/tidemark/scheduler/v1"
)

const (
	// quietWithin is how long Tidemark may take until it knows all, once nothing breaks any more.
	quietWithin = 120 * time.Second
	// refreshWithin is the same for reading everything again.
	refreshWithin = 180 * time.Second
)

// settle lifts all faults and waits until nothing is left to do.
func (h *show) settle(ctx context.Context) {
	h.say("the storm is over: %s", h.report.faultsInShort())
	h.lift(ctx)
	began := time.Now()
	quiet, cancel := context.WithTimeout(ctx, quietWithin+h.floods.left())
	defer cancel()
	if err := every(quiet, 500*time.Millisecond, func() bool { return h.quiet(quiet) }); err != nil {
		h.report.blame("not quiet %s after everything was lifted: %s", time.Since(began).Round(time.Second), h.loud(ctx))
	}
	h.say("quiet after %s", time.Since(began).Round(100*time.Millisecond))
	h.readAgain(ctx)
}

// lift ends all trouble.
func (h *show) lift(ctx context.Context) {
	for _, p := range h.processes {
		p.signal(syscall.SIGCONT)
		for _, k := range append([]*link{p.postgres, p.redis}, p.peers...) {
			if k != nil {
				k.slow(0)
				k.thaw()
			}
		}
	}
	h.dc.slow(0)
	h.dc.thaw()
	_ = h.telegram.calm(ctx)
	for _, c := range h.world.channels {
		_ = h.telegram.do(ctx, "/rename", order{Channel: strconv.FormatInt(c.id, 10), Username: c.username})
		_ = h.call(ctx, h.schedules, startWithin, func(ctx context.Context, conn *grpc.ClientConn) error {
			_, err := schedulerv1.NewRunServiceClient(conn).TriggerRun(ctx, &schedulerv1.TriggerRunRequest{ChannelId: c.id})
			return err
		})
	}
}

const relayed = "SELECT NOT EXISTS (SELECT FROM parser.events e, parser.relay r WHERE (e.tx, e.id) > (r.tx, r.id))"

// quiet is true when every mark covers all that can be seen, and every event is out.
func (h *show) quiet(ctx context.Context) bool {
	return len(h.open(ctx)) == 0 && h.relayed(ctx)
}

func (h *show) relayed(ctx context.Context) (done bool) {
	return h.db.QueryRow(ctx, relayed).Scan(&done) == nil && done
}

// open are the channels whose marks do not cover all.
func (h *show) open(ctx context.Context) (ids []int64) {
	all, err := h.telegram.channels(ctx)
	if err != nil {
		return []int64{0}
	}
	for _, c := range all {
		if c.Last > 0 && !h.audit.complete(c.ID, int64(c.Last)) {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

func (h *show) loud(ctx context.Context) string {
	text := "channels that are not covered: " + ranges(h.open(ctx))
	if !h.relayed(ctx) {
		text += "; events wait in the outbox"
	}
	return text
}

// readAgain has all covered ids read once more, for what was edited and deleted after it was read.
func (h *show) readAgain(ctx context.Context) {
	began := time.Now()
	for _, c := range h.world.channels {
		err := h.call(ctx, h.schedules, startWithin, func(ctx context.Context, conn *grpc.ClientConn) error {
			_, err := schedulerv1.NewRunServiceClient(conn).RereadChannel(ctx, &schedulerv1.RereadChannelRequest{ChannelId: c.id})
			return err
		})
		if err != nil {
			h.report.blame("reading channel %d again: %v", c.id, err)
		}
	}
	within, cancel := context.WithTimeout(ctx, refreshWithin)
	defer cancel()
	if err := every(within, 3*time.Second, func() bool { return h.equal(within) && h.relayed(within) }); err != nil {
		h.say("not equal %s after everything was to be read again", refreshWithin)
		return
	}
	h.say("read again after %s", time.Since(began).Round(100*time.Millisecond))
}
