package scheduler_test

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	schedulerv1 "github.com/tidemark/tidemark/gen/tidemark/scheduler/v1"
	"github.com/tidemark/tidemark/kit/rpc"
)

// What means nothing is refused by name: a misspelt filter must not read as none, and a letter that no table can hold is no internal error.
func TestWhatMeansNothingIsRefused(t *testing.T) {
	conn, ctx := open(t, &telegram{}), t.Context()
	channels, runs := schedulerv1.NewChannelServiceClient(conn), schedulerv1.NewRunServiceClient(conn)
	if _, err := channels.AddChannel(ctx, &schedulerv1.AddChannelRequest{Ref: "1"}); err != nil {
		t.Fatal(err)
	}
	second := func(_ any, err error) error { return err }
	for name, tc := range map[string]struct {
		err   error
		field string
	}{
		"a state of tomorrow":    {second(channels.ListChannels(ctx, &schedulerv1.ListChannelsRequest{State: 99})), "state"},
		"an outcome of tomorrow": {second(runs.ListRuns(ctx, &schedulerv1.ListRunsRequest{Outcome: 99})), "outcome"},
		"a note with a NUL":      {second(channels.PauseChannel(ctx, &schedulerv1.PauseChannelRequest{ChannelId: 1, Note: "a\x00b"})), "note"},
	} {
		if status.Code(tc.err) != codes.InvalidArgument || rpc.Field(tc.err) != tc.field {
			t.Errorf("%s: got %v, field %q, want INVALID_ARGUMENT of %q", name, tc.err, rpc.Field(tc.err), tc.field)
		}
	}
}
