package rpc

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	typev1 "github.com/tidemark/tidemark/gen/tidemark/type/v1"
	watermarkv1 "github.com/tidemark/tidemark/gen/tidemark/watermark/v1"
	"github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/services/watermark/internal/mark"
	"github.com/tidemark/tidemark/services/watermark/internal/mark/marktest"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// serve is a client on a real server over the given store.
func serve(t *testing.T, store mark.Store) watermarkv1.WatermarkServiceClient {
	t.Helper()
	registry := prometheus.NewRegistry()
	server := rpc.NewServer(rpc.ServerOptions{Log: slog.New(slog.DiscardHandler), Registry: registry})
	watermarkv1.RegisterWatermarkServiceServer(server, NewServer(store, nil, func() time.Time { return now }, NewMetrics(registry)))
	loop := rpc.NewLoopback()
	go func() { _ = server.Serve(loop.Listener()) }()
	t.Cleanup(server.Stop)
	conn, err := loop.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return watermarkv1.NewWatermarkServiceClient(conn)
}

func ids(first, last int64) []*typev1.IdRange { return []*typev1.IdRange{{First: first, Last: last}} }

func TestAdvanceGetCoverageRewind(t *testing.T) {
	t.Parallel()
	c, ctx := serve(t, marktest.NewFake()), t.Context()
	advanced, err := c.AdvanceWatermark(ctx, &watermarkv1.AdvanceWatermarkRequest{
		ChannelId: -1000000000042, Covered: append(ids(1, 3), ids(6, 9)...), RunToken: 5, TopId: 12, FloorId: 1, HeadAt: timestamppb.New(now.Add(-time.Hour)),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := &watermarkv1.Watermark{
		ChannelId: 42, Stage: "parse", State: watermarkv1.WatermarkState_WATERMARK_STATE_ACTIVE, HeadId: 9, ContiguousId: 3, FloorId: 1, TopId: 12, MissingCount: 5,
		HeadAt: timestamppb.New(now.Add(-time.Hour)), AdvancedAt: timestamppb.New(now), RunToken: 5, Generation: 1, Etag: "1",
	}
	if diff := cmp.Diff(advanced.GetWatermark(), want, protocmp.Transform()); diff != "" {
		t.Errorf("advance (-got +want):\n%s", diff)
	}
	covered, err := c.GetCoverage(ctx, &watermarkv1.GetCoverageRequest{ChannelId: 42})
	if err != nil {
		t.Fatal(err)
	}
	wantCoverage := &watermarkv1.GetCoverageResponse{
		Watermark: want, Coverage: &watermarkv1.Coverage{Ranges: append(ids(1, 3), ids(6, 9)...)}, CoveredCount: 7, ExpectedCount: 12,
		Holes: []*watermarkv1.Hole{
			{Range: ids(4, 5)[0], Cause: watermarkv1.HoleCause_HOLE_CAUSE_PENDING}, {Range: ids(10, 12)[0], Cause: watermarkv1.HoleCause_HOLE_CAUSE_PENDING},
		},
	}
	if diff := cmp.Diff(covered, wantCoverage, protocmp.Transform()); diff != "" {
		t.Errorf("coverage (-got +want):\n%s", diff)
	}
	rewound, err := c.RewindWatermark(ctx, &watermarkv1.RewindWatermarkRequest{ChannelId: 42, Ranges: ids(2, 7), Reason: "bad run", Etag: want.GetEtag()})
	if err != nil || rewound.GetWatermark().GetGeneration() != 2 || rewound.GetWatermark().GetMissingCount() != 9 {
		t.Errorf("rewind: got %v, %v, want generation 2 and 9 missing", rewound, err)
	}
}

func TestHolesAreCutAndItSaysSo(t *testing.T) {
	t.Parallel()
	c, ctx := serve(t, marktest.NewFake()), t.Context()
	cover := func(first, last int64) *watermarkv1.GetCoverageResponse { // each second id
		for ; first < last; first += 2000 {
			r := &watermarkv1.AdvanceWatermarkRequest{ChannelId: 1}
			for id := first; id < min(first+2000, last); id += 2 {
				r.Covered = append(r.Covered, ids(id, id)...)
			}
			if _, err := c.AdvanceWatermark(ctx, r); err != nil {
				t.Fatal(err)
			}
		}
		got, err := c.GetCoverage(ctx, &watermarkv1.GetCoverageRequest{ChannelId: 1})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := cover(2, 2+2*maxHoles); len(got.GetHoles()) != maxHoles || got.GetHolesCut() {
		t.Errorf("got %d holes, cut: %v; want all %d", len(got.GetHoles()), got.GetHolesCut(), maxHoles)
	}
	if got := cover(2+2*maxHoles, 4+2*maxHoles); len(got.GetHoles()) != maxHoles || !got.GetHolesCut() {
		t.Errorf("got %d holes, cut: %v; want %d, and that there are more", len(got.GetHoles()), got.GetHolesCut(), maxHoles)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	c, ctx := serve(t, marktest.NewFake()), t.Context()
	if _, err := c.AdvanceWatermark(ctx, &watermarkv1.AdvanceWatermarkRequest{ChannelId: 1, Covered: ids(1, 2), RunToken: 9}); err != nil {
		t.Fatal(err)
	}
	advance := func(r *watermarkv1.AdvanceWatermarkRequest) error { _, err := c.AdvanceWatermark(ctx, r); return err }
	check := func(r *watermarkv1.Check) error {
		_, err := c.ReportChecks(ctx, &watermarkv1.ReportChecksRequest{Checks: []*watermarkv1.Check{r}})
		return err
	}
	for name, tc := range map[string]struct {
		err    error
		code   codes.Code
		reason string
		field  string
	}{
		"stale run":            {advance(&watermarkv1.AdvanceWatermarkRequest{ChannelId: 1, RunToken: 8}), codes.Aborted, "STALE_RUN_TOKEN", ""},
		"stale generation":     {advance(&watermarkv1.AdvanceWatermarkRequest{ChannelId: 1, Generation: 7}), codes.Aborted, "STALE_GENERATION", ""},
		"another etag":         {advance(&watermarkv1.AdvanceWatermarkRequest{ChannelId: 1, Etag: "zz"}), codes.Aborted, "ETAG_MISMATCH", ""},
		"an etag of nobody":    {advance(&watermarkv1.AdvanceWatermarkRequest{ChannelId: 1, Etag: "!"}), codes.InvalidArgument, "INVALID_FIELD", "etag"},
		"no channel":           {advance(&watermarkv1.AdvanceWatermarkRequest{}), codes.InvalidArgument, "INVALID_FIELD", "channel_id"},
		"a bad stage":          {advance(&watermarkv1.AdvanceWatermarkRequest{ChannelId: 1, Stage: "No Stage"}), codes.InvalidArgument, "INVALID_FIELD", "stage"},
		"a range upside down":  {advance(&watermarkv1.AdvanceWatermarkRequest{ChannelId: 1, Covered: ids(9, 3)}), codes.InvalidArgument, "INVALID_FIELD", "covered[0]"},
		"a range from zero":    {advance(&watermarkv1.AdvanceWatermarkRequest{ChannelId: 1, Covered: ids(0, 3)}), codes.InvalidArgument, "INVALID_FIELD", "covered[0]"},
		"a range without end":  {advance(&watermarkv1.AdvanceWatermarkRequest{ChannelId: 1, Covered: ids(1, 1<<40)}), codes.InvalidArgument, "INVALID_FIELD", "covered[0]"},
		"a zero instant":       {advance(&watermarkv1.AdvanceWatermarkRequest{ChannelId: 1, HeadAt: &timestamppb.Timestamp{}}), codes.InvalidArgument, "INVALID_FIELD", "head_at"},
		"a check without time": {check(&watermarkv1.Check{ChannelId: 1, State: watermarkv1.WatermarkState_WATERMARK_STATE_IDLE}), codes.InvalidArgument, "INVALID_FIELD", "checks[0].attempted_at"},
		"blocked, but not why": {check(&watermarkv1.Check{ChannelId: 1, State: watermarkv1.WatermarkState_WATERMARK_STATE_BLOCKED, AttemptedAt: timestamppb.New(now)}), codes.InvalidArgument, "INVALID_FIELD", "checks[0].blocked_reason"},
		"unknown":              {second(c.GetWatermark(ctx, &watermarkv1.GetWatermarkRequest{ChannelId: 5})), codes.NotFound, "WATERMARK_NOT_FOUND", ""},
		"rewind without why":   {second(c.RewindWatermark(ctx, &watermarkv1.RewindWatermarkRequest{ChannelId: 1, All: true, Etag: "1"})), codes.InvalidArgument, "INVALID_FIELD", "reason"},
		"rewind blindly":       {second(c.RewindWatermark(ctx, &watermarkv1.RewindWatermarkRequest{ChannelId: 1, All: true, Reason: "x"})), codes.InvalidArgument, "INVALID_FIELD", "etag"},
		"rewind of nothing":    {second(c.RewindWatermark(ctx, &watermarkv1.RewindWatermarkRequest{ChannelId: 1, Reason: "x", Etag: "1"})), codes.InvalidArgument, "INVALID_FIELD", "ranges"},
		"rewind of two things": {second(c.RewindWatermark(ctx, &watermarkv1.RewindWatermarkRequest{ChannelId: 1, All: true, Ranges: ids(1, 2), Reason: "x", Etag: "1"})), codes.InvalidArgument, "INVALID_FIELD", "ranges"},
		"a page of 1001":       {second(c.ListWatermarks(ctx, &watermarkv1.ListWatermarksRequest{PageSize: 1001})), codes.InvalidArgument, "INVALID_FIELD", "page_size"},
		"a made-up page token": {second(c.ListWatermarks(ctx, &watermarkv1.ListWatermarksRequest{PageToken: "nonsense"})), codes.InvalidArgument, "INVALID_FIELD", "page_token"},
		"a state of tomorrow":  {second(c.ListWatermarks(ctx, &watermarkv1.ListWatermarksRequest{State: 99})), codes.InvalidArgument, "INVALID_FIELD", "state"},
		"no stage":             {second(c.ListWatermarks(ctx, &watermarkv1.ListWatermarksRequest{Stage: "Parse!"})), codes.InvalidArgument, "INVALID_FIELD", "stage"},
		"one bad of a batch":   {second(c.BatchGetWatermarks(ctx, &watermarkv1.BatchGetWatermarksRequest{ChannelIds: []int64{1, -5}})), codes.InvalidArgument, "INVALID_FIELD", "channel_ids[1]"},
		"a batch of 1001":      {second(c.BatchGetWatermarks(ctx, &watermarkv1.BatchGetWatermarksRequest{ChannelIds: make([]int64, 1001)})), codes.InvalidArgument, "INVALID_FIELD", "channel_ids"},
	} {
		if status.Code(tc.err) != tc.code || rpc.Reason(tc.err) != tc.reason || rpc.Field(tc.err) != tc.field {
			t.Errorf("%s: got %v (%s, field %q), want %s %s field %q", name, tc.err, rpc.Reason(tc.err), rpc.Field(tc.err), tc.code, tc.reason, tc.field)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestAStoreThatIsDownIsUnavailable(t *testing.T) {
	t.Parallel()
	store := marktest.NewFake()
	store.Err = fmt.Errorf("read marks: %w: %w", mark.ErrDown, errors.New("dial tcp: password hunter2"))
	_, err := serve(t, store).BatchGetWatermarks(t.Context(), &watermarkv1.BatchGetWatermarksRequest{ChannelIds: []int64{1}, WithCoverage: true})
	if s := status.Convert(err); s.Code() != codes.Unavailable || s.Message() != "Postgres does not answer: check that it runs, then repeat; nothing was changed" {
		t.Errorf("got %v, want UNAVAILABLE with what to do and without the driver's text", err)
	}
}

func TestBatchesStandAlone(t *testing.T) {
	t.Parallel()
	c, ctx := serve(t, marktest.NewFake()), t.Context()
	resp, err := c.BatchAdvanceWatermarks(ctx, &watermarkv1.BatchAdvanceWatermarksRequest{Requests: []*watermarkv1.AdvanceWatermarkRequest{
		{ChannelId: 1, Covered: ids(1, 5)}, {ChannelId: 0}, {ChannelId: 3, Covered: ids(1, 2)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	r := resp.GetResults()
	if r[0].GetWatermark().GetHeadId() != 5 || r[1].GetError().GetReason() != "INVALID_FIELD" || r[2].GetWatermark().GetHeadId() != 2 {
		t.Errorf("got %v, want the first and third done, the second refused", r)
	}
	got, err := c.BatchGetWatermarks(ctx, &watermarkv1.BatchGetWatermarksRequest{ChannelIds: []int64{3, 2, 1}, WithCoverage: true})
	if err != nil || len(got.GetWatermarks()) != 2 || got.GetWatermarks()[0].GetChannelId() != 3 || got.GetCoverages()[1].GetRanges()[0].GetLast() != 5 {
		t.Errorf("got %v, %v, want channels 3 and 1 with coverage", got, err)
	}
}

func TestListPages(t *testing.T) {
	t.Parallel()
	c, ctx := serve(t, marktest.NewFake()), t.Context()
	for id := range int64(5) {
		if _, err := c.AdvanceWatermark(ctx, &watermarkv1.AdvanceWatermarkRequest{ChannelId: id + 1, Covered: ids(1, 1)}); err != nil {
			t.Fatal(err)
		}
	}
	var got []int64
	req := &watermarkv1.ListWatermarksRequest{PageSize: 2}
	for {
		page, err := c.ListWatermarks(ctx, req)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range page.GetWatermarks() {
			got = append(got, w.GetChannelId())
		}
		if req.PageToken = page.GetNextPageToken(); req.GetPageToken() == "" {
			break
		}
		if _, err := c.ListWatermarks(ctx, &watermarkv1.ListWatermarksRequest{PageToken: req.GetPageToken(), Stage: "other"}); rpc.Field(err) != "page_token" {
			t.Errorf("a token under another filter: got %v, want it refused", err)
		}
	}
	if diff := cmp.Diff(got, []int64{1, 2, 3, 4, 5}); diff != "" {
		t.Errorf("(-got +want):\n%s", diff)
	}
}
