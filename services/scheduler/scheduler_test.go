package scheduler_test

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	parserv1 "github.com/tidemark/tidemark/gen/tidemark/parser/v1"
	schedulerv1 "github.com/tidemark/tidemark/gen/tidemark/scheduler/v1"
	typev1 "github.com/tidemark/tidemark/gen/tidemark/type/v1"
	watermarkv1 "github.com/tidemark/tidemark/gen/tidemark/watermark/v1"
	"github.com/tidemark/tidemark/kit/pg/pgtest"
	"github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/services/scheduler"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// telegram stands for the two foreign services at the other end of the wire: channels of five messages that are read at one stroke.
type telegram struct {
	parserv1.UnimplementedParserServiceServer
	watermarkv1.UnimplementedWatermarkServiceServer
	mu      sync.Mutex
	covered map[int64][]*typev1.IdRange
	floods  map[int64]bool
}

func (f *telegram) ResolveChannel(_ context.Context, r *parserv1.ResolveChannelRequest) (*parserv1.ResolveChannelResponse, error) {
	id, err := strconv.ParseInt(r.GetRef(), 10, 64)
	if err != nil {
		return nil, rpc.Error(codes.NotFound, "CHANNEL_NOT_FOUND", "there is no channel "+r.GetRef(), rpc.WithMeta("ref", r.GetRef()))
	}
	return &parserv1.ResolveChannelResponse{Channel: &typev1.Channel{Id: id, Title: "Title", Kind: typev1.ChannelKind_CHANNEL_KIND_BROADCAST}}, nil
}

func (f *telegram) ProbeChannels(_ context.Context, r *parserv1.ProbeChannelsRequest) (*parserv1.ProbeChannelsResponse, error) {
	resp := &parserv1.ProbeChannelsResponse{}
	for _, id := range r.GetChannelIds() {
		resp.Probes = append(resp.Probes, &parserv1.Probe{ChannelId: id, Outcome: &parserv1.Probe_Answer{Answer: &parserv1.ProbeAnswer{TopId: 5}}})
	}
	return resp, nil
}

func (f *telegram) ParseChannel(_ context.Context, r *parserv1.ParseChannelRequest) (*parserv1.ParseChannelResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.floods[r.GetChannelId()] {
		return &parserv1.ParseChannelResponse{
			Covered: []*typev1.IdRange{{First: 4, Last: 5}}, Next: parserv1.ParseNext_PARSE_NEXT_WAIT, RetryAfter: durationpb.New(70 * time.Second), WaitReason: "FLOOD_WAIT", PostsNew: 2,
		}, nil
	}
	return &parserv1.ParseChannelResponse{Covered: r.GetRanges(), Next: parserv1.ParseNext_PARSE_NEXT_DONE, PostsNew: 5, FloorId: 1, TopId: 5}, nil
}

func (f *telegram) BatchGetWatermarks(_ context.Context, r *watermarkv1.BatchGetWatermarksRequest) (*watermarkv1.BatchGetWatermarksResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	resp := &watermarkv1.BatchGetWatermarksResponse{}
	for _, id := range r.GetChannelIds() {
		if c := f.covered[id]; c != nil {
			resp.Watermarks = append(resp.Watermarks, &watermarkv1.Watermark{ChannelId: id, TopId: 5, Generation: 1})
			resp.Coverages = append(resp.Coverages, &watermarkv1.Coverage{Ranges: c})
		}
	}
	return resp, nil
}

func (f *telegram) AdvanceWatermark(_ context.Context, r *watermarkv1.AdvanceWatermarkRequest) (*watermarkv1.AdvanceWatermarkResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.covered[r.GetChannelId()] = r.GetCovered()
	return &watermarkv1.AdvanceWatermarkResponse{}, nil
}

func (f *telegram) ReportChecks(context.Context, *watermarkv1.ReportChecksRequest) (*watermarkv1.ReportChecksResponse, error) {
	return &watermarkv1.ReportChecksResponse{}, nil
}

// loop serves on a network of one address, and dials it.
func loop(t testing.TB, register func(grpc.ServiceRegistrar)) *grpc.ClientConn {
	t.Helper()
	server := rpc.NewServer(rpc.ServerOptions{Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry()})
	register(server)
	l := rpc.NewLoopback()
	go func() { _ = server.Serve(l.Listener()) }()
	t.Cleanup(server.Stop)
	conn, err := l.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func open(t *testing.T, f *telegram) *grpc.ClientConn {
	t.Helper()
	t.Parallel()
	f.covered = map[int64][]*typev1.IdRange{}
	peers := loop(t, func(r grpc.ServiceRegistrar) {
		parserv1.RegisterParserServiceServer(r, f)
		watermarkv1.RegisterWatermarkServiceServer(r, f)
	})
	s, err := scheduler.Open(t.Context(), scheduler.Config{DatabaseURL: pgtest.Empty(t), Tick: time.Minute, Workers: 2, SlicePages: 5, RunTimeout: 10 * time.Second},
		scheduler.Deps{Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(), Now: time.Now, Parser: peers, Watermark: peers})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("ended with %v", err)
		}
		s.Close()
	})
	return loop(t, s.Register)
}

func TestAChannelsLife(t *testing.T) {
	conn, ctx := open(t, &telegram{}), t.Context()
	channels, runs := schedulerv1.NewChannelServiceClient(conn), schedulerv1.NewRunServiceClient(conn)
	watch, err := runs.WatchRuns(ctx, &schedulerv1.WatchRunsRequest{ResumeToken: "0"})
	if err != nil {
		t.Fatal(err)
	}
	added, err := channels.AddChannel(ctx, &schedulerv1.AddChannelRequest{Ref: "42"})
	if err != nil || !added.GetAdded() || added.GetChannel().GetInterval().AsDuration() != time.Minute || added.GetChannel().GetNextRunAt() == nil {
		t.Fatalf("got %v, %v, want it added, at the default interval, due", added, err)
	}
	first, err := watch.Recv()
	if r := first.GetRun(); err != nil || r.GetOutcome() != schedulerv1.RunOutcome_RUN_OUTCOME_DONE || r.GetMode() != typev1.ReadMode_READ_MODE_HISTORICAL || r.GetPostsNew() != 5 || r.GetIdsCovered() != 5 {
		t.Fatalf("got %v, %v, want a done HISTORICAL run", first, err)
	}
	if again, err := channels.AddChannel(ctx, &schedulerv1.AddChannelRequest{Ref: "42", Interval: durationpb.New(time.Hour)}); err != nil || again.GetAdded() || again.GetChannel().GetInterval().AsDuration() != time.Minute {
		t.Errorf("added again: got %v, %v, want it unchanged", again, err)
	}
	updated, err := channels.UpdateChannel(ctx, &schedulerv1.UpdateChannelRequest{ChannelId: 42, Interval: durationpb.New(time.Hour), UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"interval"}}})
	if err != nil || updated.GetChannel().GetInterval().AsDuration() != time.Hour {
		t.Errorf("got %v, %v, want an hour", updated, err)
	}
	paused, err := channels.PauseChannel(ctx, &schedulerv1.PauseChannelRequest{ChannelId: -1000000000042, Note: "why"})
	if c := paused.GetChannel(); err != nil || c.GetState() != schedulerv1.ChannelState_CHANNEL_STATE_PAUSED || c.GetPauseNote() != "why" || c.GetNextRunAt() != nil {
		t.Errorf("got %v, %v, want it paused", paused, err)
	}
	resumed, err := channels.ResumeChannel(ctx, &schedulerv1.ResumeChannelRequest{ChannelId: 42})
	if err != nil || resumed.GetChannel().GetNextRunAt() == nil {
		t.Errorf("got %v, %v, want it due", resumed, err)
	}
	if _, err := channels.RemoveChannel(ctx, &schedulerv1.RemoveChannelRequest{ChannelId: 42}); err != nil {
		t.Error(err)
	}
	if _, err := channels.GetChannel(ctx, &schedulerv1.GetChannelRequest{ChannelId: 42}); status.Code(err) != codes.NotFound {
		t.Errorf("got %v, want NOT_FOUND after removal", err)
	}
	if back, err := channels.AddChannel(ctx, &schedulerv1.AddChannelRequest{Ref: "42"}); err != nil || !back.GetAdded() {
		t.Errorf("got %v, %v, want it followed again", back, err)
	}
	if s, err := schedulerv1.NewSchedulerServiceClient(conn).GetStatus(ctx, &schedulerv1.GetStatusRequest{}); err != nil || s.GetLastTickAt() == nil || s.GetLastProgressAt() == nil {
		t.Errorf("got %v, %v, want a tick and progress", s, err)
	}
}

func TestAFloodIsAnOutcomeAndKeepsWhatWasRead(t *testing.T) {
	f := &telegram{floods: map[int64]bool{7: true}}
	conn, ctx := open(t, f), t.Context()
	watch, err := schedulerv1.NewRunServiceClient(conn).WatchRuns(ctx, &schedulerv1.WatchRunsRequest{ResumeToken: "0"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := schedulerv1.NewChannelServiceClient(conn).AddChannel(ctx, &schedulerv1.AddChannelRequest{Ref: "7"}); err != nil {
		t.Fatal(err)
	}
	got, err := watch.Recv()
	if r := got.GetRun(); err != nil || r.GetOutcome() != schedulerv1.RunOutcome_RUN_OUTCOME_WAITING || r.GetErrorReason() != "FLOOD_WAIT" || r.GetErrorStage() != "parse" ||
		time.Until(r.GetResumeAt().AsTime()) < 60*time.Second || r.GetIdsCovered() != 2 {
		t.Errorf("got %v, %v, want WAITING for the flood, with the two ids covered", got, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if c := f.covered[7]; len(c) != 1 || c[0].GetFirst() != 4 {
		t.Errorf("got %v covered, want what was read before the flood", c)
	}
}

func TestRefusals(t *testing.T) {
	conn, ctx := open(t, &telegram{}), t.Context()
	channels, runs := schedulerv1.NewChannelServiceClient(conn), schedulerv1.NewRunServiceClient(conn)
	second := func(_ any, err error) error { return err }
	for _, err := range []error{
		second(channels.AddChannel(ctx, &schedulerv1.AddChannelRequest{Ref: "42"})), second(channels.PauseChannel(ctx, &schedulerv1.PauseChannelRequest{ChannelId: 42})),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		err    error
		code   codes.Code
		reason string
		field  string
	}{
		"unknown username":    {second(channels.AddChannel(ctx, &schedulerv1.AddChannelRequest{Ref: "nobody"})), codes.NotFound, "CHANNEL_NOT_FOUND", ""},
		"interval too short":  {second(channels.AddChannel(ctx, &schedulerv1.AddChannelRequest{Ref: "1", Interval: durationpb.New(time.Second)})), codes.InvalidArgument, "INVALID_FIELD", "interval"},
		"horizon of nothing":  {second(channels.AddChannel(ctx, &schedulerv1.AddChannelRequest{Ref: "1", Horizon: &schedulerv1.Horizon{Limit: &schedulerv1.Horizon_Ids{}}})), codes.InvalidArgument, "INVALID_FIELD", "horizon.ids"},
		"no channel":          {second(channels.PauseChannel(ctx, &schedulerv1.PauseChannelRequest{})), codes.InvalidArgument, "INVALID_FIELD", "channel_id"},
		"not followed":        {second(channels.PauseChannel(ctx, &schedulerv1.PauseChannelRequest{ChannelId: 9})), codes.NotFound, "CHANNEL_NOT_FOLLOWED", ""},
		"trigger of nobody":   {second(runs.TriggerRun(ctx, &schedulerv1.TriggerRunRequest{ChannelId: 9})), codes.NotFound, "CHANNEL_NOT_FOLLOWED", ""},
		"trigger of paused":   {second(runs.TriggerRun(ctx, &schedulerv1.TriggerRunRequest{ChannelId: 42})), codes.FailedPrecondition, "CHANNEL_PAUSED", ""},
		"no such run":         {second(runs.GetRun(ctx, &schedulerv1.GetRunRequest{RunId: 9})), codes.NotFound, "RUN_NOT_FOUND", ""},
		"update without mask": {second(channels.UpdateChannel(ctx, &schedulerv1.UpdateChannelRequest{ChannelId: 9})), codes.InvalidArgument, "INVALID_FIELD", "update_mask"},
		"update of the title": {second(channels.UpdateChannel(ctx, &schedulerv1.UpdateChannelRequest{ChannelId: 9, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"title"}}})), codes.InvalidArgument, "INVALID_FIELD", "update_mask"},
		"a made-up token":     {second(runs.ListRuns(ctx, &schedulerv1.ListRunsRequest{PageToken: "x"})), codes.InvalidArgument, "INVALID_FIELD", "page_token"},
	} {
		if status.Code(tc.err) != tc.code || rpc.Reason(tc.err) != tc.reason || rpc.Field(tc.err) != tc.field {
			t.Errorf("%s: got %v (%s, field %q), want %s %s field %q", name, tc.err, rpc.Reason(tc.err), rpc.Field(tc.err), tc.code, tc.reason, tc.field)
		}
	}
}
