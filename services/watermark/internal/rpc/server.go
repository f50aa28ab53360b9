// Package rpc is the wire of the watermark service: convert in, call the core's store, convert out.
package rpc

import (
	"context"
	"fmt"
	"time"

	watermarkv1 "github.com/tidemark/tidemark/gen/tidemark/watermark/v1"
	"github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/services/watermark/internal/cache"
	"github.com/tidemark/tidemark/services/watermark/internal/mark"
	"google.golang.org/grpc/status"
)

// Server serves WatermarkService.
type Server struct {
	watermarkv1.UnimplementedWatermarkServiceServer
	store   mark.Store
	cache   *cache.Cache // nil: none
	now     func() time.Time
	metrics Metrics
}

// NewServer makes a server on a store; the cache may be nil.
func NewServer(store mark.Store, c *cache.Cache, now func() time.Time, m Metrics) *Server {
	return &Server{store: store, cache: c, now: now, metrics: m}
}

// GetWatermark answers one mark.
func (s *Server) GetWatermark(ctx context.Context, r *watermarkv1.GetWatermarkRequest) (*watermarkv1.GetWatermarkResponse, error) {
	k := toKey(r.GetChannelId(), r.GetStage())
	if err := k.Validate(); err != nil {
		return nil, toStatus(err, k)
	}
	marks, err := s.read(ctx, []mark.Key{k})
	if err == nil && len(marks) == 0 {
		err = mark.ErrUnknown
	}
	if err != nil {
		return nil, toStatus(err, k)
	}
	return &watermarkv1.GetWatermarkResponse{Watermark: marks[0]}, nil
}

// BatchGetWatermarks answers the marks that exist. With coverage it asks Postgres: a planner wants the truth, not a moment ago.
func (s *Server) BatchGetWatermarks(ctx context.Context, r *watermarkv1.BatchGetWatermarksRequest) (*watermarkv1.BatchGetWatermarksResponse, error) {
	if len(r.GetChannelIds()) > maxBatch {
		return nil, tooMany("channel_ids", len(r.GetChannelIds()))
	}
	keys, err := toKeys(r.GetChannelIds(), r.GetStage())
	if err != nil {
		return nil, toStatus(err, mark.Key{})
	}
	if !r.GetWithCoverage() {
		marks, err := s.read(ctx, keys)
		return &watermarkv1.BatchGetWatermarksResponse{Watermarks: marks}, toStatus(err, mark.Key{})
	}
	marks, err := s.store.Get(ctx, keys)
	if err != nil {
		return nil, toStatus(err, mark.Key{})
	}
	resp := &watermarkv1.BatchGetWatermarksResponse{}
	for _, m := range marks {
		resp.Watermarks = append(resp.Watermarks, fromMark(m))
		resp.Coverages = append(resp.Coverages, fromCoverage(m))
	}
	return resp, nil
}

// ListWatermarks answers a page.
func (s *Server) ListWatermarks(ctx context.Context, r *watermarkv1.ListWatermarksRequest) (*watermarkv1.ListWatermarksResponse, error) {
	size, err := rpc.PageSize(r.GetPageSize())
	if err != nil {
		return nil, err
	}
	var after mark.Key
	if err := rpc.ReadPageToken(r, &after); err != nil {
		return nil, err
	}
	filter, err := toFilter(r)
	if err != nil {
		return nil, toStatus(err, mark.Key{})
	}
	marks, err := s.store.List(ctx, filter, after, size+1)
	if err != nil {
		return nil, toStatus(err, mark.Key{})
	}
	resp := &watermarkv1.ListWatermarksResponse{}
	for _, m := range marks[:min(size, len(marks))] {
		resp.Watermarks = append(resp.Watermarks, fromMark(m))
	}
	if len(marks) > size {
		resp.NextPageToken = rpc.PageToken(r, marks[size-1].Key)
	}
	return resp, nil
}

// AdvanceWatermark moves one mark forward.
func (s *Server) AdvanceWatermark(ctx context.Context, r *watermarkv1.AdvanceWatermarkRequest) (*watermarkv1.AdvanceWatermarkResponse, error) {
	step, err := toStep(r)
	if err != nil {
		return nil, toStatus(err, step.Key)
	}
	results, err := s.advance(ctx, []mark.Step{step})
	if err == nil {
		err = results[0].Err
	}
	if err != nil {
		return nil, toStatus(err, step.Key)
	}
	return &watermarkv1.AdvanceWatermarkResponse{Watermark: fromMark(results[0].Mark)}, nil
}

// BatchAdvanceWatermarks moves several, each by itself.
func (s *Server) BatchAdvanceWatermarks(ctx context.Context, r *watermarkv1.BatchAdvanceWatermarksRequest) (*watermarkv1.BatchAdvanceWatermarksResponse, error) {
	if len(r.GetRequests()) > maxBatch {
		return nil, tooMany("requests", len(r.GetRequests()))
	}
	resp := &watermarkv1.BatchAdvanceWatermarksResponse{Results: make([]*watermarkv1.AdvanceResult, len(r.GetRequests()))}
	var steps []mark.Step
	var at []int
	for i, one := range r.GetRequests() {
		step, err := toStep(one)
		if err != nil {
			resp.Results[i] = refused(toStatus(err, step.Key))
			continue
		}
		steps, at = append(steps, step), append(at, i)
	}
	results, err := s.advance(ctx, steps)
	if err != nil {
		return nil, toStatus(err, mark.Key{})
	}
	for j, result := range results {
		resp.Results[at[j]] = fromResult(result)
	}
	return resp, nil
}

func (s *Server) advance(ctx context.Context, steps []mark.Step) ([]mark.Result, error) {
	if len(steps) == 0 {
		return nil, nil
	}
	results, err := s.store.Advance(ctx, steps, s.now())
	if err != nil {
		s.metrics.failed(len(steps))
	}
	for _, result := range results {
		s.metrics.advanced(result)
	}
	return results, err
}

// ReportChecks records heartbeats.
func (s *Server) ReportChecks(ctx context.Context, r *watermarkv1.ReportChecksRequest) (*watermarkv1.ReportChecksResponse, error) {
	if len(r.GetChecks()) > maxBatch {
		return nil, tooMany("checks", len(r.GetChecks()))
	}
	checks := make([]mark.Check, len(r.GetChecks()))
	for i, one := range r.GetChecks() {
		var err error
		if checks[i], err = toCheck(one); err != nil {
			return nil, toStatus(inList("checks", i, err), checks[i].Key)
		}
	}
	if len(checks) == 0 {
		return &watermarkv1.ReportChecksResponse{}, nil
	}
	if err := s.store.Check(ctx, checks); err != nil {
		return nil, toStatus(err, mark.Key{})
	}
	s.metrics.checked(checks)
	return &watermarkv1.ReportChecksResponse{}, nil
}

// GetCoverage answers ranges, holes and completeness, from Postgres.
func (s *Server) GetCoverage(ctx context.Context, r *watermarkv1.GetCoverageRequest) (*watermarkv1.GetCoverageResponse, error) {
	k := toKey(r.GetChannelId(), r.GetStage())
	if err := k.Validate(); err != nil {
		return nil, toStatus(err, k)
	}
	marks, err := s.store.Get(ctx, []mark.Key{k})
	if err == nil && len(marks) == 0 {
		err = mark.ErrUnknown
	}
	if err != nil {
		return nil, toStatus(err, k)
	}
	m := marks[0]
	holes, cut := fromHoles(m)
	return &watermarkv1.GetCoverageResponse{
		Watermark: fromMark(m), Coverage: fromCoverage(m), Holes: holes, HolesCut: cut, CoveredCount: m.Covered(), ExpectedCount: m.Expected(),
	}, nil
}

// RewindWatermark takes coverage back.
func (s *Server) RewindWatermark(ctx context.Context, r *watermarkv1.RewindWatermarkRequest) (*watermarkv1.RewindWatermarkResponse, error) {
	rewind, err := toRewind(r)
	if err != nil {
		return nil, toStatus(err, rewind.Key)
	}
	m, err := s.store.Rewind(ctx, rewind, s.now())
	if err != nil {
		return nil, toStatus(err, rewind.Key)
	}
	return &watermarkv1.RewindWatermarkResponse{Watermark: fromMark(m)}, nil
}

func fromResult(r mark.Result) *watermarkv1.AdvanceResult {
	if r.Err != nil {
		return refused(toStatus(r.Err, r.Mark.Key))
	}
	return &watermarkv1.AdvanceResult{Outcome: &watermarkv1.AdvanceResult_Watermark{Watermark: fromMark(r.Mark)}}
}

func refused(err error) *watermarkv1.AdvanceResult {
	s := status.Convert(err)
	return &watermarkv1.AdvanceResult{Outcome: &watermarkv1.AdvanceResult_Error{Error: &watermarkv1.AdvanceError{
		Code: int32(s.Code()), Reason: rpc.Reason(err), Message: s.Message(),
	}}}
}

func tooMany(field string, n int) error {
	return rpc.InvalidField(field, fmt.Sprintf("%d of them, at most %d go into one call", n, maxBatch))
}

// inList says which of a list a field error is about.
func inList(list string, i int, err error) error {
	if field, ok := err.(*mark.FieldError); ok { //nolint:errorlint // made just before, never wrapped
		return &mark.FieldError{Field: fmt.Sprintf("%s[%d].%s", list, i, field.Field), Problem: field.Problem}
	}
	return err
}
