package peers

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	parserv1 "github.com/tidemark/tidemark/gen/tidemark/parser/v1"
	typev1 "github.com/tidemark/tidemark/gen/tidemark/type/v1"
	watermarkv1 "github.com/tidemark/tidemark/gen/tidemark/watermark/v1"
	"github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/services/scheduler/internal/plan"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// parser and watermark answer what a test says, and keep what they were asked.
type parser struct {
	parserv1.UnimplementedParserServiceServer
	err    error
	probes []*parserv1.Probe
	read   *parserv1.ParseChannelResponse
	asked  *parserv1.ParseChannelRequest
}

func (p *parser) ResolveChannel(context.Context, *parserv1.ResolveChannelRequest) (*parserv1.ResolveChannelResponse, error) {
	return &parserv1.ResolveChannelResponse{Channel: &typev1.Channel{Id: 7, Username: "news", Title: "News", Kind: typev1.ChannelKind_CHANNEL_KIND_SUPERGROUP, Protected: true}}, p.err
}

func (p *parser) ProbeChannels(context.Context, *parserv1.ProbeChannelsRequest) (*parserv1.ProbeChannelsResponse, error) {
	return &parserv1.ProbeChannelsResponse{Probes: p.probes}, p.err
}

func (p *parser) ParseChannel(_ context.Context, r *parserv1.ParseChannelRequest) (*parserv1.ParseChannelResponse, error) {
	p.asked = r
	return p.read, p.err
}

type watermark struct {
	watermarkv1.UnimplementedWatermarkServiceServer
	err     error
	marks   *watermarkv1.BatchGetWatermarksResponse
	advance *watermarkv1.AdvanceWatermarkRequest
	checks  *watermarkv1.ReportChecksRequest
}

func (w *watermark) BatchGetWatermarks(context.Context, *watermarkv1.BatchGetWatermarksRequest) (*watermarkv1.BatchGetWatermarksResponse, error) {
	return w.marks, w.err
}

func (w *watermark) AdvanceWatermark(_ context.Context, r *watermarkv1.AdvanceWatermarkRequest) (*watermarkv1.AdvanceWatermarkResponse, error) {
	w.advance = r
	return &watermarkv1.AdvanceWatermarkResponse{}, w.err
}

func (w *watermark) ReportChecks(_ context.Context, r *watermarkv1.ReportChecksRequest) (*watermarkv1.ReportChecksResponse, error) {
	w.checks = r
	return &watermarkv1.ReportChecksResponse{}, w.err
}

func dial(t *testing.T, p *parser, w *watermark) (Parser, Marks) {
	t.Helper()
	t.Parallel()
	server := rpc.NewServer(rpc.ServerOptions{Log: slog.New(slog.DiscardHandler)})
	parserv1.RegisterParserServiceServer(server, p)
	watermarkv1.RegisterWatermarkServiceServer(server, w)
	loop := rpc.NewLoopback()
	go func() { _ = server.Serve(loop.Listener()) }()
	t.Cleanup(server.Stop)
	conn, err := loop.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return NewParser(conn), NewMarks(conn)
}

func TestWhatPeersSay(t *testing.T) {
	p := &parser{
		probes: []*parserv1.Probe{
			{ChannelId: 7, Outcome: &parserv1.Probe_Answer{Answer: &parserv1.ProbeAnswer{TopId: 9}}},
			{ChannelId: 8, Outcome: &parserv1.Probe_Failure{Failure: &parserv1.ProbeFailure{Reason: "FLOOD_WAIT", Message: "wait", RetryAfter: durationpb.New(time.Minute)}}},
		},
		read: &parserv1.ParseChannelResponse{
			Covered: []*typev1.IdRange{{First: 4, Last: 9}}, Next: parserv1.ParseNext_PARSE_NEXT_WAIT, RetryAfter: durationpb.New(time.Hour), WaitReason: "FLOOD_WAIT",
			PostsNew: 1, PostsChanged: 2, MessagesRead: 3, PagesRead: 4, HeadAt: timestamppb.New(now), FloorId: 4, TopId: 9,
		},
	}
	w := &watermark{marks: &watermarkv1.BatchGetWatermarksResponse{
		Watermarks: []*watermarkv1.Watermark{{ChannelId: 8, FloorId: 2, TopId: 9, Generation: 3}}, Coverages: []*watermarkv1.Coverage{{Ranges: []*typev1.IdRange{{First: 2, Last: 5}}}},
	}}
	parser, marks := dial(t, p, w)
	ctx := t.Context()

	c, err := parser.Resolve(ctx, "news")
	if diff := cmp.Diff(c, plan.Channel{ID: 7, Username: "news", Title: "News", Supergroup: true, Protected: true}); err != nil || diff != "" {
		t.Errorf("resolve: %v (-got +want):\n%s", err, diff)
	}
	probes, err := parser.Probe(ctx, []plan.ChannelID{7, 8})
	var flood *plan.Problem
	if err != nil || probes[0] != (plan.Probe{Top: 9}) || !errors.As(probes[1].Err, &flood) || flood.Kind != plan.Flooded || flood.Retry != time.Minute {
		t.Errorf("probe: got %+v, %v, want a top, and a flood of a minute", probes, err)
	}
	if _, err := parser.Probe(ctx, []plan.ChannelID{7}); err == nil {
		t.Error("an answer about other channels than were asked for was taken")
	}
	read, err := parser.Parse(ctx, plan.Slice{Channel: 7, Mode: plan.Historical, Ranges: []plan.Range{{First: 1, Last: 9}}, MaxPages: 5, Run: 6, HorizonSince: now})
	wantRead := plan.Read{Covered: []plan.Range{{First: 4, Last: 9}}, Wait: time.Hour, WaitReason: "FLOOD_WAIT", New: 1, Changed: 2, Messages: 3, Pages: 4, HeadAt: now, Floor: 4, Top: 9}
	if diff := cmp.Diff(read, wantRead); err != nil || diff != "" {
		t.Errorf("parse: %v (-got +want):\n%s", err, diff)
	}
	wantAsked := &parserv1.ParseChannelRequest{ChannelId: 7, Mode: typev1.ReadMode_READ_MODE_HISTORICAL, Ranges: []*typev1.IdRange{{First: 1, Last: 9}}, MaxPages: 5, RunToken: 6, HorizonSince: timestamppb.New(now)}
	if diff := cmp.Diff(p.asked, wantAsked, protocmp.Transform()); diff != "" {
		t.Errorf("asked (-got +want):\n%s", diff)
	}
	got, err := marks.Get(ctx, []plan.ChannelID{7, 8})
	if diff := cmp.Diff(got, map[plan.ChannelID]plan.Mark{8: {Covered: []plan.Range{{First: 2, Last: 5}}, Floor: 2, Top: 9, Generation: 3}}); err != nil || diff != "" {
		t.Errorf("marks: %v (-got +want):\n%s", err, diff)
	}
}

func TestWhatTheWatermarkIsTold(t *testing.T) {
	w := &watermark{}
	_, marks := dial(t, &parser{}, w)
	ctx := t.Context()
	if err := marks.Advance(ctx, plan.Advance{Channel: 7, Run: 6, Generation: 3, Covered: []plan.Range{{First: 4, Last: 9}}, Floor: 4, Top: 9}); err != nil {
		t.Error(err)
	}
	want := &watermarkv1.AdvanceWatermarkRequest{ChannelId: 7, Covered: []*typev1.IdRange{{First: 4, Last: 9}}, RunToken: 6, Generation: 3, FloorId: 4, TopId: 9}
	if diff := cmp.Diff(w.advance, want, protocmp.Transform()); diff != "" {
		t.Errorf("advance, without a date where there is none (-got +want):\n%s", diff)
	}
	if err := marks.Check(ctx, nil); err != nil || w.checks != nil {
		t.Errorf("got %v, %v, want no call without checks", err, w.checks)
	}
	if err := marks.Check(ctx, []plan.Check{{Channel: 7, State: plan.Blocked, Reason: "CHANNEL_PRIVATE", Top: 9, At: now}}); err != nil {
		t.Error(err)
	}
	wantCheck := &watermarkv1.ReportChecksRequest{Checks: []*watermarkv1.Check{{ChannelId: 7, State: watermarkv1.WatermarkState_WATERMARK_STATE_BLOCKED, BlockedReason: "CHANNEL_PRIVATE", TopId: 9, AttemptedAt: timestamppb.New(now)}}}
	if diff := cmp.Diff(w.checks, wantCheck, protocmp.Transform()); diff != "" {
		t.Errorf("checks (-got +want):\n%s", diff)
	}
}

func TestKindsOfProblems(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err    error
		kind   plan.Kind
		reason string
		retry  time.Duration
	}{
		"private":          {rpc.Error(codes.PermissionDenied, "CHANNEL_PRIVATE", "x"), plan.Barred, "CHANNEL_PRIVATE", 0},
		"unknown":          {rpc.Error(codes.NotFound, "CHANNEL_NOT_FOUND", "x"), plan.Barred, "CHANNEL_NOT_FOUND", 0},
		"denied otherwise": {rpc.Error(codes.PermissionDenied, "SOMETHING_NEW", "x"), plan.Barred, "SOMETHING_NEW", 0},
		"no account":       {rpc.Error(codes.FailedPrecondition, "NO_ACCOUNT", "x"), plan.NoReader, "NO_ACCOUNT", 0},
		"session gone":     {rpc.Error(codes.FailedPrecondition, "SESSION_GONE", "x"), plan.NoReader, "SESSION_GONE", 0},
		"flood":            {rpc.Error(codes.ResourceExhausted, "FLOOD_WAIT", "x", rpc.WithRetry(time.Minute)), plan.Flooded, "FLOOD_WAIT", time.Minute},
		"stale run":        {rpc.Error(codes.Aborted, "STALE_RUN_TOKEN", "x"), plan.Stale, "STALE_RUN_TOKEN", 0},
		"rewound":          {rpc.Error(codes.Aborted, "STALE_GENERATION", "x"), plan.Stale, "STALE_GENERATION", 0},
		"malformed":        {rpc.InvalidField("ref", "x"), plan.Refused, "INVALID_FIELD", 0},
		"telegram is away": {rpc.Error(codes.Unavailable, "TELEGRAM_UNREACHABLE", "x"), plan.Failed, "TELEGRAM_UNREACHABLE", 0},
		"nobody there":     {status.Error(codes.Unavailable, "connection refused"), plan.Failed, "PEER_UNREACHABLE", 0},
		"ours":             {rpc.Error(codes.Internal, "INTERNAL", "x"), plan.Failed, "INTERNAL", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var p *plan.Problem
			if !errors.As(problem("parser", tc.err), &p) || p.Kind != tc.kind || p.Reason != tc.reason || p.Retry != tc.retry || !errors.Is(p, tc.err) {
				t.Errorf("got %+v, want kind %d, %s, %s, with its cause", p, tc.kind, tc.reason, tc.retry)
			}
		})
	}
	if problem("parser", nil) != nil {
		t.Error("got a problem of no error")
	}
}
