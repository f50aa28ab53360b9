package plantest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark/tidemark/services/scheduler/internal/plan"
)

// Tested is all that the scheduler asks of a store: what the core needs, and what the wire needs.
type Tested interface {
	plan.Store
	Add(ctx context.Context, c plan.Channel, now time.Time) (plan.Channel, bool, error)
	Channel(ctx context.Context, id plan.ChannelID) (plan.Channel, error)
	Channels(ctx context.Context, state plan.State, after plan.ChannelID, limit int) ([]plan.Channel, error)
	Update(ctx context.Context, id plan.ChannelID, interval *time.Duration, horizon *plan.Horizon, now time.Time) (plan.Channel, error)
	Pause(ctx context.Context, id plan.ChannelID, note string) (plan.Channel, error)
	Resume(ctx context.Context, id plan.ChannelID, now time.Time) (plan.Channel, error)
	Remove(ctx context.Context, id plan.ChannelID, now time.Time) error
	Trigger(ctx context.Context, id plan.ChannelID, now time.Time) (bool, error)
	Run(ctx context.Context, id plan.RunID) (plan.Run, error)
	Runs(ctx context.Context, channel plan.ChannelID, outcome plan.Outcome, before plan.RunID, limit int) ([]plan.Run, error)
	Ended(ctx context.Context, channel plan.ChannelID, after int64, limit int) ([]plan.Run, error)
	LastEnd(ctx context.Context) (int64, error)
}

// at is the suite's present. Claims go by the store's own clock, everything else by what it is told.
var at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const hour = time.Hour

// Suite proves a store; open gives a fresh, empty one, and what it was asked to queue since the last call.
func Suite(t *testing.T, open func(*testing.T) (store Tested, queued func() []plan.ChannelID)) {
	t.Parallel()
	for name, test := range map[string]func(*stage){
		"what is added is read":                         testAdd,
		"adding again changes no setting":               testAddAgain,
		"a removed channel is gone, and can come back":  testRemove,
		"a list is ordered, filtered, paged":            testList,
		"a shorter interval counts from now":            testUpdate,
		"pause, and resume at once":                     testPause,
		"due: only what is due, within the limit":       testDue,
		"settling is all or nothing for one channel":    testSettle,
		"a claim is one owner's":                        testClaim,
		"a claim ends with its time":                    testExpiry,
		"a pause takes the claim away":                  testPauseOfClaimed,
		"triggering makes due, once":                    testTrigger,
		"runs: begun, ended, listed":                    testRuns,
		"a run that was left open is lost":              testLost,
		"a run that was closed as lost cannot be ended": testEndedTwice,
		"ends are counted in order":                     testEnds,
		"what is not there is ErrUnknown":               testUnknown,
		"what is to be read again":                      testRereads,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, queued := open(t)
			test(&stage{t, store, queued})
		})
	}
}

// stage is one test and its store.
type stage struct {
	*testing.T
	Tested
	queued func() []plan.ChannelID
}

func (s *stage) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *stage) is(err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Errorf("got %v, want %v", err, want)
	}
}

func (s *stage) same(got, want any) {
	s.Helper()
	if diff := cmp.Diff(got, want); diff != "" {
		s.Errorf("(-got +want):\n%s", diff)
	}
}

// follow adds channels that are due at the suite's present.
func (s *stage) follow(ids ...plan.ChannelID) {
	s.Helper()
	for _, id := range ids {
		_, added, err := s.Add(s.Context(), plan.Channel{ID: id, Interval: hour}, at)
		if err != nil || !added {
			s.Fatalf("add %d: %v, %v", id, added, err)
		}
	}
}

func (s *stage) get(id plan.ChannelID) plan.Channel {
	s.Helper()
	c, err := s.Channel(s.Context(), id)
	s.ok(err)
	return c
}

func (s *stage) due(now time.Time, limit int) (ids []plan.ChannelID) {
	s.Helper()
	due, err := s.Due(s.Context(), now, limit)
	s.ok(err)
	for _, c := range due {
		ids = append(ids, c.ID)
	}
	return ids
}

func (s *stage) claim(id plan.ChannelID, owner string, ttl time.Duration) {
	s.Helper()
	_, err := s.Claim(s.Context(), id, owner, ttl)
	s.ok(err)
}

func (s *stage) begin(id plan.ChannelID) plan.RunID {
	s.Helper()
	run, err := s.Begin(s.Context(), id, plan.Historical, at)
	s.ok(err)
	return run
}
