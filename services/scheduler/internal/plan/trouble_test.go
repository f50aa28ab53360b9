package plan_test

import (
	"context"
	"testing"
	"time"

	"github.com/tidemark/tidemark/services/scheduler/internal/plan"
)

// floodAfter reads one slice's worth, and is then told to wait.
type floodAfter struct{ plan.Parser }

func (p floodAfter) Parse(ctx context.Context, s plan.Slice) (plan.Read, error) {
	read, err := p.Parser.Parse(ctx, s)
	read.Wait, read.WaitReason = time.Hour, "FLOOD_WAIT"
	return read, err
}

func TestWhatWasStoredBeforeAFloodIsProgress(t *testing.T) {
	b := newBench(t)
	b.world.Grow(1, 95)
	b.follow(plan.Channel{ID: 1})
	b.Parser = floodAfter{b.world}
	b.work(1)
	if c := b.channel(1); !c.AdvancedAt.Equal(now) || !c.CheckedAt.Equal(now) || c.State != plan.Blocked {
		t.Errorf("got %+v, want it blocked, and to say that something was stored", c)
	}
}

// A look that fails before it can decide is a run that failed: its record says at which step.
func TestARunThatFailsBeforeReadingIsRecorded(t *testing.T) {
	for stage, breaks := range map[string]func(*bench){
		"mark":  func(b *bench) { b.Marks = awayMarks{b.world} },
		"probe": func(b *bench) { b.Parser = awayProbe{b.world} },
	} {
		t.Run(stage, func(t *testing.T) {
			b := newBench(t)
			b.world.Grow(1, 20)
			b.follow(plan.Channel{ID: 1})
			breaks(b)
			b.work(1)
			if len(b.ended) != 1 || b.ended[0].Stage != stage || b.ended[0].Outcome != plan.OutFailed || b.ended[0].Mode != plan.Skip {
				t.Errorf("got runs %+v, want one FAILED at %s", b.ended, stage)
			}
		})
	}
}

var errAway = &plan.Problem{Kind: plan.Failed, Reason: "PEER_UNREACHABLE", Message: "away"}

type awayMarks struct{ plan.Marks }

func (awayMarks) Get(context.Context, []plan.ChannelID) (map[plan.ChannelID]plan.Mark, error) {
	return nil, errAway
}

type awayProbe struct{ plan.Parser }

func (awayProbe) Probe(context.Context, []plan.ChannelID) ([]plan.Probe, error) { return nil, errAway }

// Waiting for a login or for Telegram is no failure: the first real one afterwards is tried again soon, not in an interval.
func TestWaitingCountsNoFailures(t *testing.T) {
	b := newBench(t)
	b.world.Grow(1, 20)
	b.follow(plan.Channel{ID: 1})
	b.Parser = brokenParse{b.world, &plan.Problem{Kind: plan.NoReader, Reason: "NO_ACCOUNT"}}
	for range 20 {
		b.work(1)
	}
	b.Parser = brokenParse{b.world, errAway}
	b.work(1)
	if c := b.channel(1); c.Failures != 1 || c.NextRunAt.Sub(now) != time.Second {
		t.Errorf("got %d failures, next look in %s, want 1 and a second", c.Failures, c.NextRunAt.Sub(now))
	}
}

// Being told to stop is nobody's failure: the channel is due at once, for whoever lives.
func TestBeingStoppedIsNoFailure(t *testing.T) {
	b := newBench(t)
	b.world.Grow(1, 20)
	b.follow(plan.Channel{ID: 1})
	defer b.world.Hold(1)()
	ctx, stop := context.WithCancel(t.Context())
	go func() { <-b.world.Started(); stop() }()
	if _, err := b.Work(ctx, 1); err != nil {
		t.Fatal(err)
	}
	if c := b.channel(1); c.Failures != 0 || c.NextRunAt.After(now) {
		t.Errorf("got %d failures, next look at %s, want none, at once", c.Failures, c.NextRunAt)
	}
	if len(b.ended) != 1 || b.ended[0].Outcome != plan.Lost {
		t.Errorf("got %+v, want the run lost, not failed", b.ended)
	}
}

// A turn that ends early leaves a channel that is due: a hand-over that dies with its process would cost a whole interval.
func TestATurnHandsOverDurably(t *testing.T) {
	b := newBench(t)
	b.world.Grow(1, 95)
	b.follow(plan.Channel{ID: 1, Interval: 30 * 24 * time.Hour})
	b.Policy.Turn = -1
	b.work(1)
	if c := b.channel(1); c.NextRunAt.After(now) {
		t.Errorf("got next look in %s, want it due", c.NextRunAt.Sub(now))
	}
}

// A worker that slept through its claim must notice that the channel is another's, also when that other is of the same process.
func TestEachTurnIsAnOwnerOfItsOwn(t *testing.T) {
	b := newBench(t)
	b.world.Grow(1, 20)
	b.follow(plan.Channel{ID: 1})
	var owners []string
	b.Store = owning{b.store, &owners}
	b.work(1)
	b.work(1)
	if len(owners) != 2 || owners[0] == owners[1] {
		t.Errorf("got owners %v, want two different ones", owners)
	}
}

type owning struct {
	plan.Store
	owners *[]string
}

func (s owning) Claim(ctx context.Context, c plan.ChannelID, owner string, ttl time.Duration) (plan.Channel, error) {
	*s.owners = append(*s.owners, owner)
	return s.Store.Claim(ctx, c, owner, ttl)
}
