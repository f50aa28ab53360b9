package peers

import (
	"errors"
	"regexp"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	parserv1 "github.com/tidemark/tidemark/gen/tidemark/parser/v1"
	"github.com/tidemark/tidemark/services/scheduler/internal/plan"
)

// A machine reads reasons: each is UPPER_SNAKE, also of an error that came without one.
func TestEveryProblemHasAReason(t *testing.T) {
	t.Parallel()
	upper := regexp.MustCompile(`^[A-Z]+(_[A-Z]+)*$`)
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		var p *plan.Problem
		if !errors.As(problem("parser", status.Error(code, "x")), &p) || !upper.MatchString(p.Reason) {
			t.Errorf("%s: got reason %q", code, p.Reason)
		}
	}
}

// The watermark refuses a whole batch of heartbeats for one BLOCKED without a reason: one channel would hold up all.
func TestAProbeThatFailedWithoutAReasonGetsOne(t *testing.T) {
	p := &parser{probes: []*parserv1.Probe{{ChannelId: 7, Outcome: &parserv1.Probe_Failure{Failure: &parserv1.ProbeFailure{}}}, {ChannelId: 8}}}
	parser, _ := dial(t, p, &watermark{})
	probes, err := parser.Probe(t.Context(), []plan.ChannelID{7, 8})
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range probes {
		var problem *plan.Problem
		if !errors.As(one.Err, &problem) || problem.Reason == "" {
			t.Errorf("got %+v, want a failure with a reason: no answer is not an empty channel", one)
		}
	}
}
