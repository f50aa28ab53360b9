package metrics

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	schedulerv1 "github.com/tidemark/tidemark/gen/tidemark/scheduler/v1"
	typev1 "github.com/tidemark/tidemark/gen/tidemark/type/v1"
	watermarkv1 "github.com/tidemark/tidemark/gen/tidemark/watermark/v1"
	"github.com/tidemark/tidemark/services/parser/tgsim"
	"github.com/tidemark/tidemark/services/parser/tgsim/fault"
)

const stream = "tidemark:posts"

// Whatever is declared must be able to move, and does when what it tells of happens.
func TestACycleMovesEverySeries(t *testing.T) {
	h := build(t, tgsim.Spec{Seed: 31, Channels: 6, Messages: 150, End: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)})
	seen := newObserved()
	h.background(func(ctx context.Context) error {
		ticker := time.NewTicker(look)
		defer ticker.Stop()
		for ctx.Err() == nil {
			if err := seen.look(h.registry); err != nil {
				return err
			}
			select {
			case <-ticker.C:
			case <-ctx.Done():
			}
		}
		return nil
	})
	var names []string
	var ids []int64
	for _, c := range h.world.Summaries() {
		names, ids = append(names, c.Username), append(ids, c.ID)
	}
	h.history(names, ids)
	h.readers(ids)
	h.changes(names, seen)
	h.outages(names, seen)
	h.troubles(names, ids, seen)
	all := declared(h.registry)
	if len(all) < 30 {
		t.Fatalf("only %d series are declared: %v", len(all), all)
	}
	h.eventually(func() string {
		if still := seen.still(all); len(still) > 0 {
			return fmt.Sprintf("movement of %v; seen: %v", still, seen.children())
		}
		return ""
	})
}

// history is read slowly, with a flood that is waited for and a message that nobody can read.
func (h *house) history(names []string, ids []int64) {
	h.Helper()
	truth, err := h.world.Truth(names[0])
	if err != nil {
		h.Fatal(err)
	}
	h.fault(
		tgsim.Rule{Kind: fault.Slow, Method: "messages.getHistory", Every: 1, Count: 20, For: 100 * time.Millisecond},
		tgsim.Rule{Kind: fault.Flood, Method: "messages.getHistory", After: 3, For: 2 * time.Second},
		tgsim.Rule{Kind: fault.Poison, Channel: ids[0], IDs: []int{truth.Posts[10].ID}},
	)
	h.login()
	for _, name := range names {
		if _, err := h.channels.AddChannel(h.Context(), &schedulerv1.AddChannelRequest{Ref: "@" + name}); err != nil {
			h.Fatal(err)
		}
	}
	for i, name := range names {
		h.covered(name, ids[i])
	}
}

func (h *house) fault(rules ...tgsim.Rule) {
	h.Helper()
	for _, r := range rules {
		if err := h.telegram.Faults().Add(r); err != nil {
			h.Fatal(err)
		}
	}
}

func (h *house) covered(name string, id int64) {
	h.Helper()
	truth, err := h.world.Truth(name)
	if err != nil {
		h.Fatal(err)
	}
	h.eventually(func() string {
		got, err := h.marks.GetCoverage(h.Context(), &watermarkv1.GetCoverageRequest{ChannelId: id})
		if err != nil || got.GetCoveredCount() != int64(truth.Last) {
			return fmt.Sprintf("@%s: %d of %d ids, %v", name, got.GetCoveredCount(), truth.Last, err)
		}
		return ""
	})
}

// readers are those downstream: one takes events and keeps them, one reads marks, one moves a mark of its own.
func (h *house) readers(ids []int64) {
	h.Helper()
	if err := h.redis.XGroupCreate(h.Context(), stream, "us", "0").Err(); err != nil {
		h.Fatal(err)
	}
	if err := h.redis.XReadGroup(h.Context(), &redis.XReadGroupArgs{Group: "us", Consumer: "me", Streams: []string{stream, ">"}, Count: 5}).Err(); err != nil {
		h.Fatal(err)
	}
	for range 3 {
		if _, err := h.marks.GetWatermark(h.Context(), &watermarkv1.GetWatermarkRequest{ChannelId: ids[1]}); err != nil {
			h.Fatal(err)
		}
	}
	if _, err := h.marks.AdvanceWatermark(h.Context(), &watermarkv1.AdvanceWatermarkRequest{
		ChannelId: ids[1], Stage: "index", Covered: []*typev1.IdRange{{First: 1, Last: 5}}, TopId: 9, Unavailable: []*typev1.IdRange{{First: 6, Last: 7}},
	}); err != nil {
		h.Fatal(err)
	}
}

// changes are an edit and a deletion.
func (h *house) changes(names []string, seen *observed) {
	h.Helper()
	truth, err := h.world.Truth(names[1])
	if err == nil {
		err = h.world.Edit(names[1], truth.Posts[len(truth.Posts)-3].ID, "changed")
	}
	if err == nil {
		_, err = h.world.Delete(names[1], truth.Posts[len(truth.Posts)-2].ID)
	}
	if err != nil {
		h.Fatal(err)
	}
	for _, kind := range []string{"new", "changed", "deleted"} {
		h.eventually(func() string {
			if seen.value("parser_posts_total{kind="+kind+"}") == 0 {
				return kind + " posts"
			}
			return ""
		})
	}
}

// outages are a Redis that hangs for a moment, and a scheduler that hangs in its tick.
func (h *house) outages(names []string, seen *observed) {
	h.Helper()
	if err := h.redis.Do(h.Context(), "CLIENT", "PAUSE", "8000", "ALL").Err(); err != nil {
		h.Fatal(err)
	}
	if _, _, err := h.world.Grow(names[2], 5); err != nil {
		h.Fatal(err)
	}
	conn, err := pgx.Connect(h.Context(), h.database.Reveal())
	if err != nil {
		h.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(h.Context())) }()
	h.eventually(func() string {
		if seen.value("tidemark_ready{service=parser}") != 0 || seen.value("parser_outbox_unsent{}") == 0 {
			return "a parser that is not ready, and events that wait"
		}
		return ""
	})
	for _, sql := range []string{"SELECT pg_advisory_lock(1953063787)", "UPDATE scheduler.channels SET checked_at = checked_at - interval '1 hour'"} {
		if _, err := conn.Exec(h.Context(), sql); err != nil {
			h.Fatal(err)
		}
	}
	h.eventually(func() string {
		if seen.value("scheduler_channels_late{}") == 0 || seen.value("scheduler_due{}") == 0 || seen.value("scheduler_tick_age_seconds{}") < 2 {
			return "channels that are due, and late"
		}
		return ""
	})
	if _, err := conn.Exec(h.Context(), "SELECT pg_advisory_unlock(1953063787)"); err != nil {
		h.Fatal(err)
	}
	h.eventually(func() string {
		if seen.value("tidemark_ready{service=parser}") == 0 || seen.value("parser_outbox_unsent{}") != 0 || seen.value("scheduler_channels_late{}") != 0 {
			return "recovery"
		}
		return ""
	})
}

// troubles are a rewind, a channel that turns private, and at last a wait of more than a minute.
func (h *house) troubles(names []string, ids []int64, seen *observed) {
	h.Helper()
	h.eventually(func() string { // the mark may change between reading and rewinding
		mark, err := h.marks.GetWatermark(h.Context(), &watermarkv1.GetWatermarkRequest{ChannelId: ids[3]})
		if err == nil {
			_, err = h.marks.RewindWatermark(h.Context(), &watermarkv1.RewindWatermarkRequest{ChannelId: ids[3], All: true, Reason: "test", Etag: mark.GetWatermark().GetEtag()})
		}
		if err != nil {
			return "a rewind: " + err.Error()
		}
		return ""
	})
	if err := h.world.MakePrivate(names[5]); err != nil {
		h.Fatal(err)
	}
	h.covered(names[3], ids[3])
	h.eventually(func() string {
		if seen.value("scheduler_channels{state=blocked}") == 0 {
			return "a blocked channel"
		}
		return ""
	})
	h.fault(tgsim.Rule{Kind: fault.Flood, Method: "messages.getHistory", For: 70 * time.Second})
	if _, _, err := h.world.Grow(names[4], 5); err != nil {
		h.Fatal(err)
	}
	h.eventually(func() string {
		if seen.value("parser_accounts{state=flooded}") == 0 || seen.value("tidemark_ready{service=parser}") != 0 {
			return "a parser that has nobody to read with"
		}
		return ""
	})
}
