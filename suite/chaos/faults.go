package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	typev1 "github.com/tidemark/tidemark/gen/tidemark/type/v1"
	watermarkv1 "github.com/tidemark/tidemark/gen/tidemark/watermark/v1"
)

var (
	// errAbsent: the fault cannot be made on this machine, and is not counted.
	errAbsent = errors.New("not run here")
	// errMissed: nobody came to the step while it was watched; not counted.
	errMissed = errors.New("nobody came to that step")
)

// do makes one fault, and answers from when on recovery is measured, and what exactly was done.
func (h *show) do(ctx context.Context, f fault) (since time.Time, name string, err error) {
	switch f.kind {
	case "kill":
		p := h.processes[f.who%len(h.processes)]
		since = time.Now()
		if !p.kill() {
			return since, "", errMissed
		}
		return since, p.name, nil
	case "kill in step":
		return h.killInStep(ctx, f)
	case "kill postgres in step":
		return h.killStoreInStep(ctx, f, h.postgres, false)
	case "kill redis in step":
		return h.killStoreInStep(ctx, f, h.redis, true)
	case "stop and go on":
		p := h.processes[f.who%len(h.processes)]
		if !p.signal(syscall.SIGSTOP) {
			return since, "", errMissed
		}
		wait(ctx, f.last)
		p.signal(syscall.SIGCONT)
		return time.Now(), fmt.Sprintf("%s, for %s", p.name, f.last), nil
	case "postgres fast restart":
		err = h.postgres.restart(ctx)
	case "postgres immediate restart":
		h.postgres.signal(syscall.SIGQUIT)
		err = h.postgres.restart(ctx)
	case "postgres kill -9":
		h.postgres.kill()
		err = h.postgres.restart(ctx)
	case "redis restart":
		err = h.redis.restart(ctx)
	case "redis kill -9":
		h.redis.kill()
		err = h.redis.restart(ctx)
	case "redis FLUSHALL":
		err = h.wipe(ctx)
	case "connections cut":
		k := h.link(f.who)
		k.cut()
		name = k.name
	case "half-open connections":
		k := h.link(f.who)
		k.freeze()
		wait(ctx, f.last)
		if !f.heal {
			k.cut()
		}
		k.thaw()
		name = fmt.Sprintf("%s, for %s", k.name, f.last)
	case "slow connections":
		k := h.link(f.who)
		k.slow(100 * time.Millisecond)
		wait(ctx, f.last)
		k.slow(0)
		name = fmt.Sprintf("%s, for %s", k.name, f.last)
	case "slow answers":
		err = h.telegram.fault(ctx, trouble{Kind: "slow", For: f.last.String(), Count: 5})
	case "telegram errors":
		err = h.telegram.fault(ctx, trouble{Kind: "fail", Code: 500, Message: "RPC_CALL_FAIL", Count: 3})
	case "flood wait":
		name, err = h.flood(ctx, f)
	case "duplicate workers":
		name, err = h.duplicate(ctx, f)
	case "clock step":
		name, err = h.stepClock(ctx, f)
	case "full disk":
		err = h.fullDisk(ctx, f)
	case "restore":
		name, err = h.restore(ctx)
	default:
		err = fmt.Errorf("no fault is called %q", f.kind)
	}
	return time.Now(), name, err
}

// link is one of all links of Tidemark's.
func (h *show) link(n int) *link {
	all := []*link{h.dc}
	for _, p := range h.processes {
		all = append(all, p.peers...)
		for _, k := range []*link{p.postgres, p.redis} {
			if k != nil {
				all = append(all, k)
			}
		}
	}
	return all[n%len(all)]
}

// stepWithin is how long a step is watched for somebody to come by.
const stepWithin = 12 * time.Second

// killInStep kills a process exactly where the step says.
func (h *show) killInStep(ctx context.Context, f fault) (time.Time, string, error) {
	s := steps[f.step%len(steps)]
	p := h.by(s.service)
	var since time.Time
	err := h.at(ctx, s, p, f.skip, func() { since = time.Now(); p.kill() })
	return since, s.name, err
}

// killStoreInStep kills the store instead: it may have done what was asked, and nobody knows.
func (h *show) killStoreInStep(ctx context.Context, f fault, st *store, redis bool) (time.Time, string, error) {
	some := storeSteps(redis)
	s := some[f.step%len(some)]
	var since time.Time
	err := h.at(ctx, s, h.by(s.service), f.skip, func() { since = time.Now(); st.kill() })
	if err == nil {
		err = st.restart(ctx)
	}
	return since, s.name, err
}

// at does something at a step, and makes somebody come by.
func (h *show) at(ctx context.Context, s step, p *process, skip int, do func()) error {
	b := s.link(p).arm(s.breakpoint(skip, do))
	if err := h.provoke(ctx); err != nil {
		return err
	}
	select {
	case <-b.hit:
		return nil
	case <-time.After(stepWithin):
	case <-ctx.Done():
	}
	if b.disarm() {
		return errMissed
	}
	<-b.hit
	return nil
}

// provoke posts in several channels, so that there is something to do.
func (h *show) provoke(ctx context.Context) error {
	for range 3 {
		if channel := h.world.well(h.dice); channel != 0 {
			if _, _, err := h.telegram.grow(ctx, channel, 5+h.dice.IntN(40)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (h *show) flood(ctx context.Context, f fault) (string, error) {
	method := []string{"messages.getHistory", "messages.getHistory", "messages.getPeerDialogs"}[f.step%3]
	h.floods.add(time.Now(), f.last+5*time.Second)
	h.report.longest = max(h.report.longest, f.last)
	err := h.telegram.fault(ctx, trouble{Kind: "flood", Method: method, For: f.last.String()})
	return fmt.Sprintf("%s for %s", method, f.last), err
}

// duplicate lets two of everything that decides work on the same channels for a while.
func (h *show) duplicate(ctx context.Context, f fault) (name string, err error) {
	var second *process
	if name = "a second "; h.services {
		name += "scheduler"
		second, _, err = h.scheduler(ctx, "scheduler-2", h.accounts, h.marks)
	} else {
		name += "tidemark up"
		second, _, err = h.allInOne(ctx, "tidemark-2")
	}
	if err != nil {
		return name, err
	}
	defer func() { _ = second.out.Close() }()
	second.start()
	if err := h.provoke(ctx); err != nil {
		return name, err
	}
	wait(ctx, f.last)
	end := syscall.SIGTERM
	if f.heal {
		end = syscall.SIGKILL
	}
	second.stop(ctx, end)
	return name, nil
}

func (h *show) fullDisk(ctx context.Context, f fault) error {
	if h.disk.absent != "" {
		return fmt.Errorf("%w: no file system of its own for Postgres: %s", errAbsent, h.disk.absent)
	}
	full, cancel := context.WithTimeout(ctx, stepWithin)
	defer cancel()
	if err := every(full, 10*time.Millisecond, func() bool { return h.disk.fill() == nil }); err != nil {
		return fmt.Errorf("fill the disk: %w", err)
	}
	err := h.provoke(ctx)
	wait(ctx, f.last)
	if err := errors.Join(err, h.disk.free()); err != nil {
		return err
	}
	if !h.answers(ctx) { // it may have ended for want of room for its log
		return h.postgres.restart(ctx)
	}
	return nil
}

// answers is true when Postgres does, soon.
func (h *show) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return every(ctx, 200*time.Millisecond, func() bool { return h.db.Ping(ctx) == nil }) == nil
}

// restore takes rows away as somebody who restores an old backup does, and rewinds their ids, exactly between a run's last page and the advance
// of its mark: that advance speaks of rows that are gone, and must be refused.
func (h *show) restore(ctx context.Context) (name string, err error) {
	channel := h.world.well(h.dice)
	if channel == 0 {
		return "", errMissed
	}
	arg := binary.BigEndian.AppendUint64(nil, uint64(channel))
	held, release := make(chan struct{}), make(chan struct{})
	late := &breakpoint{match: regexp.MustCompile(`name: LockMarks`), args: arg, do: func() { close(held); <-release }}
	early := h.by("parser").postgres.arm(&breakpoint{match: regexp.MustCompile(`INSERT INTO parser.events`), args: arg, do: func() {
		h.by("watermark").postgres.arm(late)
	}})
	first, last, err := h.telegram.grow(ctx, channel, 10+h.dice.IntN(40))
	if err != nil {
		return "", err
	}
	var once sync.Once
	let := func() { once.Do(func() { close(release) }) }
	defer let()
	select {
	case <-held:
	case <-time.After(stepWithin):
		early.disarm()
		if late.disarm() {
			return "", errMissed
		}
		<-held
	case <-ctx.Done():
		return "", ctx.Err()
	}
	first = max(1, first-20)
	name = fmt.Sprintf("of %d/%d-%d between parse and advance", channel, first, last)
	if err := h.takeBack(ctx, channel, first, last); err != nil {
		return name, err
	}
	h.watched(ctx, let)
	return name, nil
}

// watched lets the stale advance go while nothing can be read, so that a mark that gets ahead stays so until the auditor has seen it.
func (h *show) watched(ctx context.Context, let func()) {
	h.dc.freeze()
	defer h.dc.thaw()
	let()
	for range 30 {
		if !wait(ctx, 20*time.Millisecond) {
			return
		}
		h.audit.Lock()
		_ = h.audit.look(ctx)
		h.audit.Unlock()
	}
}

// takeBack deletes rows and rewinds their ids. The auditor must not look in between.
func (h *show) takeBack(ctx context.Context, channel, first, last int64) error {
	h.audit.Lock()
	defer h.audit.Unlock()
	for _, sql := range []string{"DELETE FROM parser.posts WHERE channel_id = $1 AND message_id BETWEEN $2 AND $3",
		"DELETE FROM parser.revisions WHERE channel_id = $1 AND message_id BETWEEN $2 AND $3"} {
		if _, err := h.db.Exec(ctx, sql, channel, first, last); err != nil {
			return fmt.Errorf("take rows back: %w", err)
		}
	}
	h.audit.forget(channel)
	return h.call(ctx, h.marks, startWithin, func(ctx context.Context, conn *grpc.ClientConn) error {
		marks := watermarkv1.NewWatermarkServiceClient(conn)
		now, err := marks.GetWatermark(ctx, &watermarkv1.GetWatermarkRequest{ChannelId: channel})
		if err != nil {
			return err
		}
		_, err = marks.RewindWatermark(ctx, &watermarkv1.RewindWatermarkRequest{ChannelId: channel, Reason: "chaos restores an old backup",
			Etag: now.GetWatermark().GetEtag(), Ranges: []*typev1.IdRange{{First: first, Last: last}}})
		if status.Code(err) == codes.Aborted { // somebody moved it in between: look again
			err = status.Error(codes.Unavailable, "the mark moved")
		}
		return err
	})
}

// stepClock moves Postgres's clock away and back: claims and leases end at once, or seem to last.
func (h *show) stepClock(ctx context.Context, f fault) (string, error) {
	if h.clock.absent != "" {
		return "", fmt.Errorf("%w: %s", errAbsent, h.clock.absent)
	}
	if f.by == 0 {
		f.by = []time.Duration{time.Minute, -time.Minute}[f.step%2]
	}
	if err := h.clock.step(f.by); err != nil {
		return "", err
	}
	var shown time.Time
	if err := h.db.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&shown); err == nil && time.Since(shown.Add(-f.by)).Abs() > 3*time.Second {
		return "", fmt.Errorf("Postgres says %s: its clock did not step by %s", shown, f.by)
	}
	err := h.provoke(ctx)
	wait(ctx, f.last)
	return fmt.Sprintf("of Postgres, by %s for %s", f.by.Round(time.Second), f.last), errors.Join(err, h.clock.step(0))
}

// wipe flushes Redis, which may still be reading what it had before it was killed.
func (h *show) wipe(ctx context.Context) error {
	within, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	var last error
	err := every(within, 50*time.Millisecond, func() bool {
		last = h.events.FlushAll(within).Err()
		return last == nil
	})
	return errors.Join(err, last)
}
