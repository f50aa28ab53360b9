package plan_test

import (
	"context"
	"testing"

	"github.com/tidemark/tidemark/services/scheduler/internal/plan"
)

// place marks the context of a look.
type place struct{}

// placed is a parser that is only called within a look.
type placed struct {
	plan.Parser
	t *testing.T
}

func (p placed) Parse(ctx context.Context, s plan.Slice) (plan.Read, error) {
	if ctx.Value(place{}) == nil {
		p.t.Error("what a look does is not done in its context")
	}
	return p.Parser.Parse(ctx, s)
}

func TestEveryLookIsFollowed(t *testing.T) {
	b := newBench(t)
	b.world.Grow(1, 20)
	b.follow(plan.Channel{ID: 1})
	b.Parser = placed{b.world, t}
	var looks []plan.Look
	b.Follow = func(ctx context.Context, c plan.ChannelID) (context.Context, func(plan.Look)) {
		if c != 1 {
			t.Errorf("got channel %d", c)
		}
		return context.WithValue(ctx, place{}, true), func(l plan.Look) { looks = append(looks, l) }
	}
	b.work(1)
	if len(looks) != 2 || looks[0].Run.ID == 0 || looks[0].Run.Outcome != plan.Done || looks[0].Problem != nil || looks[1].Run.ID != 0 || looks[1].Run.Mode != plan.Skip {
		t.Errorf("got %+v, want a run, and a look that found nothing to do", looks)
	}
	looks = nil
	b.world.Grow(1, 40)
	b.Parser = brokenParse{b.world, &plan.Problem{Kind: plan.Failed, Reason: "PEER_UNREACHABLE"}}
	b.work(1)
	if len(looks) != 1 || looks[0].Run.Stage != "parse" || looks[0].Run.Outcome != plan.OutFailed || looks[0].Problem == nil || looks[0].Problem.Reason != "PEER_UNREACHABLE" {
		t.Errorf("got %+v, want one that stopped at parsing", looks)
	}
}
