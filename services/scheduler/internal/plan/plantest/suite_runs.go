package plantest

import (
	"time"

	"github.com/tidemark/tidemark/services/scheduler/internal/plan"
)

func testSettle(s *stage) {
	s.follow(1, 2, 3)
	s.claim(3, "a", hour)
	s.ok(s.Settle(s.Context(), nil))
	s.ok(s.Settle(s.Context(), []plan.Next{
		{Channel: 1, State: plan.Active, At: at.Add(hour), Checked: at, Queue: true},
		{Channel: 2, State: plan.Blocked, Reason: "CHANNEL_PRIVATE", At: at.Add(2 * hour), Failures: 4},
		{Channel: 3, State: plan.Active, At: at.Add(hour), Queue: true}, // claimed since the tick found it
	}))
	s.same(s.queued(), []plan.ChannelID{1})
	if c := s.get(1); c.State != plan.Active || !c.NextRunAt.Equal(at.Add(hour)) || !c.CheckedAt.Equal(at) {
		s.Errorf("got %+v, want it active, checked", c)
	}
	if c := s.get(2); c.State != plan.Blocked || c.Reason != "CHANNEL_PRIVATE" || c.Failures != 4 || !c.CheckedAt.IsZero() {
		s.Errorf("got %+v, want it blocked, and not checked: Telegram did not answer", c)
	}
	if c := s.get(3); c.State != plan.New || !c.NextRunAt.Equal(at) {
		s.Errorf("got %+v, want a worker's channel left alone", c)
	}
}

func testClaim(s *stage) {
	ctx := s.Context()
	s.follow(7)
	s.claim(7, "a", hour)
	_, err := s.Claim(ctx, 7, "b", hour)
	s.is(err, plan.ErrTaken)
	_, err = s.Claim(ctx, 7, "a", hour) // also for itself: one owner may work a channel once
	s.is(err, plan.ErrTaken)
	s.is(s.Renew(ctx, 7, "b", hour), plan.ErrTaken)
	s.ok(s.Renew(ctx, 7, "a", hour))
	s.is(s.Release(ctx, "b", plan.Next{Channel: 7, State: plan.Idle, At: at}), plan.ErrTaken)
	s.ok(s.Release(ctx, "a", plan.Next{Channel: 7, State: plan.Idle, At: at.Add(hour), Checked: at, Advanced: at.Add(time.Second), Failures: 2}))
	if c := s.get(7); c.State != plan.Idle || !c.NextRunAt.Equal(at.Add(hour)) || !c.CheckedAt.Equal(at) || !c.AdvancedAt.Equal(at.Add(time.Second)) || c.Failures != 2 {
		s.Errorf("got %+v, want what was released with", c)
	}
	s.is(s.Release(ctx, "a", plan.Next{Channel: 7, State: plan.Idle, At: at}), plan.ErrTaken)
	s.claim(7, "b", hour)
}

func testExpiry(s *stage) {
	ctx := s.Context()
	s.follow(7)
	s.ok(s.Settle(ctx, []plan.Next{{Channel: 7, State: plan.Active, At: at.Add(hour)}}))
	s.claim(7, "dead", time.Millisecond)
	found := func() bool { ids := s.due(at, 10); return len(ids) == 1 && ids[0] == 7 }
	if err := Settled(ctx, found); err != nil {
		s.Fatalf("a dead worker's channel never came due: %v", err)
	}
	if c := s.get(7); c.NextRunAt.After(at) {
		s.Errorf("got %+v, want it due until a tick has settled it", c)
	}
	s.is(s.Renew(ctx, 7, "dead", hour), plan.ErrTaken)
	s.claim(7, "b", time.Millisecond)
	err := Settled(ctx, func() bool { _, err := s.Claim(ctx, 7, "c", hour); return err == nil })
	s.ok(err)
}

func testPauseOfClaimed(s *stage) {
	ctx := s.Context()
	s.follow(7)
	s.claim(7, "a", hour)
	_, err := s.Pause(ctx, 7, "why")
	s.ok(err)
	s.is(s.Renew(ctx, 7, "a", hour), plan.ErrTaken)
	s.ok(s.Release(ctx, "a", plan.Next{Channel: 7, State: plan.Active, At: at, Advanced: at}))
	if c := s.get(7); c.State != plan.Paused || c.Note != "why" || !c.NextRunAt.IsZero() || !c.AdvancedAt.Equal(at) {
		s.Errorf("got %+v, want it paused, with what was stored before", c)
	}
	_, err = s.Resume(ctx, 7, at)
	s.ok(err)
	s.claim(7, "b", hour)
}

func testTrigger(s *stage) {
	ctx := s.Context()
	s.follow(7)
	trigger := func(what string, want bool) {
		s.Helper()
		if got, err := s.Trigger(ctx, 7, at); err != nil || got != want {
			s.Errorf("%s: got %v, %v, want %v", what, got, err, want)
		}
	}
	trigger("due already", false)
	s.ok(s.Settle(ctx, []plan.Next{{Channel: 7, State: plan.Idle, At: at.Add(hour)}}))
	trigger("not due", true)
	s.same(s.due(at, 10), []plan.ChannelID{7})
	trigger("triggered already", false)
	s.claim(7, "a", hour)
	trigger("being read", false)
	s.ok(s.Release(ctx, "a", plan.Next{Channel: 7, State: plan.Idle, At: at.Add(hour)}))
	_, err := s.Pause(ctx, 7, "")
	s.ok(err)
	_, err = s.Trigger(ctx, 7, at)
	s.is(err, plan.ErrPaused)
	if c := s.get(7); !c.NextRunAt.IsZero() {
		s.Errorf("got %+v, want a paused channel to stay so", c)
	}
}

func testRuns(s *stage) {
	ctx := s.Context()
	first, second := s.begin(1), s.begin(2)
	if second <= first {
		s.Errorf("got runs %d and %d, want them to grow: they are tokens", first, second)
	}
	if r, err := s.Tested.Run(ctx, first); err != nil || r.Outcome != plan.Running || !r.FinishedAt.IsZero() || !r.StartedAt.Equal(at) || r.Mode != plan.Historical {
		s.Errorf("got %+v, %v, want it going on", r, err)
	}
	want := plan.Run{
		ID: first, Channel: 1, Mode: plan.Historical, Outcome: plan.Waiting, StartedAt: at, FinishedAt: at.Add(time.Second), New: 1, Changed: 2, Messages: 3, Pages: 4, Covered: 5,
		Reason: "FLOOD_WAIT", Message: "wait", Stage: "parse", ResumeAt: at.Add(hour), Sequence: 1,
	}
	s.ok(s.End(ctx, want))
	got, err := s.Tested.Run(ctx, first)
	s.ok(err)
	s.same(got, want)
	third := s.begin(1)
	ids := func(channel plan.ChannelID, outcome plan.Outcome, before plan.RunID, limit int) (ids []plan.RunID) {
		page, err := s.Runs(ctx, channel, outcome, before, limit)
		s.ok(err)
		for _, r := range page {
			ids = append(ids, r.ID)
		}
		return ids
	}
	s.same(ids(0, "", 1<<62, 10), []plan.RunID{third, second, first})
	s.same(ids(0, "", 1<<62, 1), []plan.RunID{third})
	s.same(ids(0, "", third, 10), []plan.RunID{second, first})
	s.same(ids(1, "", 1<<62, 10), []plan.RunID{third, first})
	s.same(ids(0, plan.Waiting, 1<<62, 10), []plan.RunID{first})
}

func testLost(s *stage) {
	ctx := s.Context()
	open, other := s.begin(1), s.begin(2)
	next := s.begin(1)
	if r, err := s.Tested.Run(ctx, open); err != nil || r.Outcome != plan.Lost || r.FinishedAt.IsZero() {
		s.Errorf("got %+v, %v, want it closed as lost", r, err)
	}
	for _, id := range []plan.RunID{other, next} {
		if r, err := s.Tested.Run(ctx, id); err != nil || r.Outcome != plan.Running {
			s.Errorf("got %+v, %v, want it going on", r, err)
		}
	}
	if ended, err := s.Ended(ctx, 0, 0, 10); err != nil || len(ended) != 1 || ended[0].ID != open {
		s.Errorf("got %+v, %v, want watchers to hear of the lost run", ended, err)
	}
}

func testEndedTwice(s *stage) {
	ctx := s.Context()
	lost := s.begin(1)
	s.begin(1)
	if err := s.End(ctx, plan.Run{ID: lost, Channel: 1, Outcome: plan.Done, FinishedAt: at}); err == nil {
		s.Error("a lost run was ended again")
	}
	if r, err := s.Tested.Run(ctx, lost); err != nil || r.Outcome != plan.Lost {
		s.Errorf("got %+v, %v, want it to stay lost", r, err)
	}
	if n, err := s.LastEnd(ctx); err != nil || n != 1 {
		s.Errorf("got %d ends, %v, want 1: a refused end leaves no gap for watchers", n, err)
	}
}

func testEnds(s *stage) {
	ctx := s.Context()
	if n, err := s.LastEnd(ctx); err != nil || n != 0 {
		s.Errorf("got %d, %v, want no end yet", n, err)
	}
	first, second, third := s.begin(1), s.begin(2), s.begin(3)
	for _, id := range []plan.RunID{third, first, second} { // not in the order of beginning
		s.ok(s.End(ctx, plan.Run{ID: id, Outcome: plan.Done, FinishedAt: at}))
	}
	ids := func(channel plan.ChannelID, after int64, limit int) (ids []plan.RunID) {
		page, err := s.Ended(ctx, channel, after, limit)
		s.ok(err)
		for _, r := range page {
			ids = append(ids, r.ID)
		}
		return ids
	}
	s.same(ids(0, 0, 10), []plan.RunID{third, first, second})
	s.same(ids(0, 1, 1), []plan.RunID{first})
	s.same(ids(2, 0, 10), []plan.RunID{second})
	s.same(ids(0, 3, 10), []plan.RunID(nil))
	if n, err := s.LastEnd(ctx); err != nil || n != 3 {
		s.Errorf("got %d, %v, want 3", n, err)
	}
}
