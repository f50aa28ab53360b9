package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	parserv1 "github.com/tidemark/tidemark/gen/tidemark/parser/v1"
	schedulerv1 "github.com/tidemark/tidemark/gen/tidemark/scheduler/v1"
)

// show is one seed being played.
type show struct {
	*stage
	out      io.Writer
	began    time.Time
	audit    *auditor
	eyes     *consumer
	world    *driver
	canaries *canaries
	floods   *floods
	dice     *rand.Rand // of what is not worth a place in the schedule
	report   *report
}

// play is the whole of one seed.
func play(ctx context.Context, s script, out io.Writer) (*report, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	h := &show{out: out, began: time.Now(), floods: &floods{}, dice: rand.New(rand.NewPCG(s.seed, 4)), report: newReport(s)}
	h.say("seed %d, %s: %d channels with %d message ids, %d faults", s.seed, s.shape(), len(s.sizes), sum(s.sizes), len(s.faults))
	st, err := openStage(ctx, s)
	if err != nil {
		return nil, err
	}
	defer st.close()
	h.stage = st
	h.audit, h.eyes = newAuditor(st), newConsumer(st.events)
	if err := h.prepare(ctx); err != nil {
		return nil, err
	}
	if err := h.storm(ctx); err != nil {
		return nil, err
	}
	h.settle(ctx)
	if err := h.compare(ctx); err != nil {
		return nil, err
	}
	h.report.took = time.Since(h.began)
	return h.report, ctx.Err()
}

func (h *show) say(format string, args ...any) {
	_, _ = fmt.Fprintf(h.out, "%6.1fs  "+format+"\n", append([]any{time.Since(h.began).Seconds()}, args...)...)
}

func (h *show) tell(format string, args ...any) {
	if h.report.script.Verbose {
		h.say(format, args...)
	}
}

// prepare logs in and follows the first channels.
func (h *show) prepare(ctx context.Context) error {
	all, err := h.telegram.channels(ctx)
	if err != nil {
		return err
	}
	h.world = newDriver(h.stage, h.audit, all)
	h.canaries = &canaries{stage: h.stage, world: h.world, eyes: h.eyes, floods: h.floods}
	if err := h.call(ctx, h.accounts, startWithin, login); err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	return nil
}

// login is idempotent: an account that is there already is enough.
func login(ctx context.Context, conn *grpc.ClientConn) error {
	accounts := parserv1.NewAccountServiceClient(conn)
	known, err := accounts.ListAccounts(ctx, &parserv1.ListAccountsRequest{})
	if err != nil || len(known.GetAccounts()) > 0 {
		return err
	}
	steps, err := accounts.StartLogin(ctx, &parserv1.StartLoginRequest{Method: &parserv1.StartLoginRequest_Phone{Phone: "+10000000000"}})
	if err != nil {
		return err
	}
	for {
		state, err := steps.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return errors.New("the login ended early")
		case err != nil:
			return err
		case state.GetState() == parserv1.LoginState_LOGIN_STATE_DONE:
			return nil
		case state.GetState() == parserv1.LoginState_LOGIN_STATE_CODE_NEEDED:
			if _, err := accounts.SubmitCode(ctx, &parserv1.SubmitCodeRequest{LoginId: state.GetLoginId(), Code: "12345"}); err != nil {
				return err
			}
		}
	}
}

// final is an answer that asking again does not change.
func final(err error) bool {
	switch status.Code(err) {
	case codes.InvalidArgument, codes.NotFound, codes.Unimplemented:
		return true
	}
	return false
}

// follow follows a channel, however long that takes.
func (h *show) follow(ctx context.Context, c *channel) error {
	return h.call(ctx, h.schedules, 3*time.Minute, func(ctx context.Context, conn *grpc.ClientConn) error {
		_, err := schedulerv1.NewChannelServiceClient(conn).AddChannel(ctx, &schedulerv1.AddChannelRequest{Ref: "@" + c.username})
		if err == nil {
			h.world.follows(c)
		}
		return err
	})
}

// early is how many channels are followed before anything breaks: the others come one by one between the faults.
const early = 8

// storm breaks everything, as scheduled.
func (h *show) storm(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var background sync.WaitGroup
	defer func() { cancel(); background.Wait() }()
	late := h.world.channels[early:]
	for _, c := range h.world.channels[:early] {
		if err := h.follow(ctx, c); err != nil {
			return fmt.Errorf("follow @%s: %w", c.username, err)
		}
	}
	// What looks on goes on until the end of all.
	onlooker := h.ctx
	go h.audit.run(onlooker)
	if h.report.script.seed%5 == 0 { // now and then somebody who keeps no account of it
		go h.eyes.run(onlooker)
	} else {
		go h.eyes.runInGroup(onlooker)
	}
	go h.canaries.run(onlooker)
	background.Go(func() { h.world.run(ctx) })
	ready, stop := context.WithTimeout(ctx, startWithin)
	defer stop()
	if err := every(ready, 50*time.Millisecond, func() bool { return h.world.well(h.dice) != 0 }); err != nil {
		return fmt.Errorf("no channel is read before anything breaks: %w", err)
	}
	h.say("the first channels are in; now everything breaks")
	for i, f := range h.report.script.faults {
		if n := len(late); n > 0 && (i%2 == 0 || n >= len(h.report.script.faults)-i) {
			c := late[0]
			late = late[1:]
			background.Go(func() {
				if err := h.follow(h.ctx, c); err != nil {
					h.report.blame("channel %d cannot be followed: %v", c.id, err)
				}
			})
		}
		if err := h.play(ctx, f); err != nil {
			return err
		}
	}
	for _, c := range late {
		if err := h.follow(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// play does one fault, and waits for its end and, mostly, for the recovery.
func (h *show) play(ctx context.Context, f fault) error {
	at := time.Since(h.began)
	since, name, err := h.do(ctx, f)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, errAbsent), errors.Is(err, errMissed):
		h.report.skipped[f.kind+": "+err.Error()]++
		h.tell("%s: %v", f.kind, err)
		return nil
	case err != nil:
		return fmt.Errorf("%s at %s: %w", f.kind, at.Round(time.Millisecond), err)
	}
	h.report.count(f.kind)
	h.report.steps[name]++
	h.tell("%s %s", f.kind, name)
	one, err := h.canaries.release(ctx, f.kind, since, h.dice)
	if err != nil || one == nil {
		return err
	}
	if patience := 15 * time.Second; !f.hurry && h.floods.left() < patience {
		select {
		case <-one.done:
			h.tell("    well again after %s", one.took.Round(10*time.Millisecond))
		case <-time.After(patience):
			h.tell("    not well after %s, go on", patience)
		case <-ctx.Done():
		}
	}
	wait(ctx, f.pause)
	return ctx.Err()
}

func sum(all []int) (n int) {
	for _, one := range all {
		n += one
	}
	return n
}
