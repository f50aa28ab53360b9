package plantest

import (
	"slices"
	"time"

	"github.com/tidemark/tidemark/services/scheduler/internal/plan"
)

func testAdd(s *stage) {
	want := plan.Channel{
		ID: 7, Username: "news", Title: "News", Supergroup: true, Protected: true, Interval: 90 * time.Second,
		Horizon: plan.Horizon{Age: 48 * hour}, State: plan.New, NextRunAt: at, CreatedAt: at,
	}
	got, added, err := s.Add(s.Context(), want, at)
	if err != nil || !added {
		s.Fatalf("got %v, %v, want it added", added, err)
	}
	s.same(got, want)
	s.same(s.get(7), want)
}

func testAddAgain(s *stage) {
	s.follow(7)
	s.ok(s.Settle(s.Context(), []plan.Next{{Channel: 7, State: plan.Idle, At: at.Add(hour), Checked: at}}))
	want := s.get(7)
	want.Title = "New title" // what Telegram says is taken over, what the user said stays
	got, added, err := s.Add(s.Context(), plan.Channel{ID: 7, Title: "New title", Interval: time.Minute, Horizon: plan.Horizon{Messages: 5}}, at.Add(time.Minute))
	if err != nil || added {
		s.Fatalf("got %v, %v, want it there already", added, err)
	}
	s.same(got, want)
}

func testRemove(s *stage) {
	ctx := s.Context()
	s.follow(7)
	_, err := s.Pause(ctx, 7, "old note")
	s.ok(err)
	s.ok(s.Remove(ctx, 7, at))
	_, err = s.Channel(ctx, 7)
	s.is(err, plan.ErrUnknown)
	s.is(s.Remove(ctx, 7, at), plan.ErrUnknown)
	_, err = s.Claim(ctx, 7, "a", hour)
	s.is(err, plan.ErrUnknown)
	s.same(s.due(at.Add(hour), 10), []plan.ChannelID(nil))
	list, err := s.Channels(ctx, "", 0, 10)
	if s.ok(err); len(list) != 0 {
		s.Errorf("a removed channel is listed: %+v", list)
	}
	back, added, err := s.Add(ctx, plan.Channel{ID: 7, Interval: time.Minute}, at.Add(hour))
	if err != nil || !added || back.State != plan.New || back.Note != "" || back.Interval != time.Minute || !back.NextRunAt.Equal(at.Add(hour)) {
		s.Errorf("got %+v, %v, %v, want it new, due, as it is added now", back, added, err)
	}
}

func testList(s *stage) {
	ctx := s.Context()
	s.follow(5, 3, 9, 1)
	_, err := s.Pause(ctx, 3, "")
	s.ok(err)
	ids := func(state plan.State, after plan.ChannelID, limit int) (ids []plan.ChannelID) {
		page, err := s.Channels(ctx, state, after, limit)
		s.ok(err)
		for _, c := range page {
			ids = append(ids, c.ID)
		}
		return ids
	}
	s.same(ids("", 0, 10), []plan.ChannelID{1, 3, 5, 9})
	s.same(ids("", 0, 2), []plan.ChannelID{1, 3})
	s.same(ids("", 3, 2), []plan.ChannelID{5, 9})
	s.same(ids(plan.Paused, 0, 10), []plan.ChannelID{3})
	s.same(ids(plan.New, 1, 1), []plan.ChannelID{5})
}

func testUpdate(s *stage) {
	ctx, short, long := s.Context(), time.Minute, 5*hour
	s.follow(7)
	s.ok(s.Settle(ctx, []plan.Next{{Channel: 7, State: plan.Idle, At: at.Add(hour)}}))
	c, err := s.Update(ctx, 7, &short, nil, at)
	if err != nil || c.Interval != short || !c.NextRunAt.Equal(at.Add(short)) {
		s.Errorf("got %+v, %v, want it due in a minute", c, err)
	}
	c, err = s.Update(ctx, 7, &long, &plan.Horizon{Messages: 9}, at)
	if err != nil || c.Interval != long || c.Horizon.Messages != 9 || !c.NextRunAt.Equal(at.Add(short)) {
		s.Errorf("got %+v, %v, want a longer interval to delay nothing", c, err)
	}
	c, err = s.Update(ctx, 7, nil, &plan.Horizon{}, at)
	if err != nil || c.Interval != long || c.Horizon != (plan.Horizon{}) {
		s.Errorf("got %+v, %v, want only the horizon changed", c, err)
	}
	_, err = s.Pause(ctx, 7, "")
	s.ok(err)
	if c, err = s.Update(ctx, 7, &short, nil, at); err != nil || !c.NextRunAt.IsZero() {
		s.Errorf("got %+v, %v, want a paused channel to stay without a time", c, err)
	}
}

func testPause(s *stage) {
	ctx := s.Context()
	s.follow(7)
	s.ok(s.Settle(ctx, []plan.Next{{Channel: 7, State: plan.Blocked, Reason: "FLOOD_WAIT", At: at.Add(hour), Failures: 3}}))
	for range 2 { // idempotent
		c, err := s.Pause(ctx, 7, "why")
		if err != nil || c.State != plan.Paused || c.Note != "why" || c.Reason != "" || !c.NextRunAt.IsZero() {
			s.Errorf("got %+v, %v, want it paused", c, err)
		}
	}
	s.same(s.due(at.Add(99*hour), 10), []plan.ChannelID(nil))
	s.ok(s.Settle(ctx, []plan.Next{{Channel: 7, State: plan.Idle, At: at, Queue: true}})) // a tick that looked before the pause
	if c := s.get(7); c.State != plan.Paused || len(s.queued()) != 0 {
		s.Errorf("got %+v, want a late tick to change nothing", c)
	}
	c, err := s.Resume(ctx, 7, at)
	if err != nil || c.State != plan.Active || c.Note != "" || c.Failures != 0 || !c.NextRunAt.Equal(at) {
		s.Errorf("got %+v, %v, want it due, its failures forgotten", c, err)
	}
	s.same(s.due(at, 10), []plan.ChannelID{7})
	s.ok(s.Settle(ctx, []plan.Next{{Channel: 7, State: plan.Idle, At: at.Add(hour)}}))
	if c, err := s.Resume(ctx, 7, at); err != nil || c.State != plan.Idle || !c.NextRunAt.Equal(at.Add(hour)) {
		s.Errorf("got %+v, %v, want resuming what is not paused to change no plan", c, err)
	}
}

func testUnknown(s *stage) {
	ctx := s.Context()
	_, err := s.Channel(ctx, 7)
	s.is(err, plan.ErrUnknown)
	_, err = s.Update(ctx, 7, nil, nil, at)
	s.is(err, plan.ErrUnknown)
	_, err = s.Pause(ctx, 7, "")
	s.is(err, plan.ErrUnknown)
	_, err = s.Resume(ctx, 7, at)
	s.is(err, plan.ErrUnknown)
	_, err = s.Trigger(ctx, 7, at)
	s.is(err, plan.ErrUnknown)
	_, err = s.Claim(ctx, 7, "a", hour)
	s.is(err, plan.ErrUnknown)
	_, err = s.Tested.Run(ctx, 7)
	s.is(err, plan.ErrUnknown)
}

func testDue(s *stage) {
	s.follow(1, 2, 3, 4)
	s.ok(s.Settle(s.Context(), []plan.Next{
		{Channel: 1, State: plan.Idle, At: at.Add(2 * time.Minute)}, {Channel: 2, State: plan.Idle, At: at.Add(time.Minute)}, {Channel: 3, State: plan.Idle, At: at.Add(hour)},
	}))
	s.claim(4, "a", hour)
	got := s.due(at.Add(10*time.Minute), 10)
	slices.Sort(got)
	s.same(got, []plan.ChannelID{1, 2})
	s.same(s.due(at.Add(10*time.Minute), 1), []plan.ChannelID{2}) // the longest due comes first into a tick that is full
	s.same(s.due(at, 10), []plan.ChannelID(nil))
}

func testRereads(s *stage) {
	ctx := s.Context()
	s.follow(1)
	_, err := s.Ask(ctx, 99, plan.Range{First: 1, Last: 2}, at)
	s.is(err, plan.ErrUnknown)
	waits, err := s.Ask(ctx, 1, plan.Range{First: 10, Last: 20}, at)
	s.ok(err)
	if waits != (plan.Range{First: 10, Last: 20}) {
		s.Errorf("got %v waiting", waits)
	}
	c, err := s.Claim(ctx, 1, "a", hour)
	s.ok(err)
	if len(c.Rereads) != 1 || c.Rereads[0].After != 9 || c.Rereads[0].Target != 20 || !c.Rereads[0].Due.Equal(at) {
		s.Fatalf("got %+v, want what was asked for", c.Rereads)
	}
	// Another ask comes while the worker is at it: what the worker says of that stretch is out of date, what it says of others is not.
	waits, err = s.Ask(ctx, 1, plan.Range{First: 15, Last: 30}, at.Add(hour))
	s.ok(err)
	if waits != (plan.Range{First: 10, Last: 30}) {
		s.Errorf("got %v waiting, want both", waits)
	}
	c.Rereads[0].After = 20
	step := plan.Reread{Rung: 2, After: 5, Target: 50, Due: at.Add(6 * hour)}
	s.ok(s.Release(ctx, "a", plan.Next{Channel: 1, State: plan.Idle, At: at, Pts: 77, PtsTop: 30, Rereads: append(c.Rereads, step)}))
	due, err := s.Due(ctx, at, 10)
	s.ok(err)
	if len(due) != 1 || len(due[0].Rereads) != 2 || due[0].Pts != 77 || due[0].PtsTop != 30 {
		s.Fatalf("got %+v, want a channel with two stretches and its counter", due)
	}
	if r := due[0].Rereads[0]; r.After != 9 || r.Target != 30 || !r.Due.Equal(at) {
		s.Errorf("got %+v, want what was asked for meanwhile", r)
	}
	if r := due[0].Rereads[1]; r.After != 5 || r.Target != 50 || !r.Due.Equal(step.Due) || r.Rung != 2 {
		s.Errorf("got %+v, want the worker's step", r)
	}
	c, err = s.Claim(ctx, 1, "a", hour)
	s.ok(err)
	c.Rereads[0].After = 30
	s.ok(s.Release(ctx, "a", plan.Next{Channel: 1, State: plan.Idle, At: at, Rereads: c.Rereads}))
	waits, err = s.Ask(ctx, 1, plan.Range{First: 1, Last: 2}, at)
	s.ok(err)
	if waits != (plan.Range{First: 1, Last: 2}) {
		s.Errorf("got %v waiting, want only the new one: the other is done", waits)
	}
}
