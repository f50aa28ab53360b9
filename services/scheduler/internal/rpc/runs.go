package rpc

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"google.golang.org/grpc"

	schedulerv1 "github.com/tidemark/tidemark/gen/tidemark/scheduler/v1"
	typev1 "github.com/tidemark/tidemark/gen/tidemark/type/v1"
	"github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/services/scheduler/internal/plan"
)

// RunStore is what this room needs of the store for runs.
type RunStore interface {
	Trigger(ctx context.Context, id plan.ChannelID, now time.Time) (bool, error)
	Ask(ctx context.Context, id plan.ChannelID, ids plan.Range, now time.Time) (plan.Range, error)
	Run(ctx context.Context, id plan.RunID) (plan.Run, error)
	Runs(ctx context.Context, channel plan.ChannelID, outcome plan.Outcome, before plan.RunID, limit int) ([]plan.Run, error)
	Ended(ctx context.Context, channel plan.ChannelID, after int64, limit int) ([]plan.Run, error)
	LastEnd(ctx context.Context) (int64, error)
}

const (
	// watchEvery is how late a watcher hears of a run at most.
	watchEvery = 250 * time.Millisecond
	// heartbeat tells a watcher that the stream lives.
	heartbeat = 15 * time.Second
	watchPage = 500
)

// Runs serves RunService.
type Runs struct {
	schedulerv1.UnimplementedRunServiceServer
	Store RunStore
	Marks plan.Marks
	Now   func() time.Time
	Wake  func()
}

// TriggerRun makes a channel due now.
func (s *Runs) TriggerRun(ctx context.Context, r *schedulerv1.TriggerRunRequest) (*schedulerv1.TriggerRunResponse, error) {
	id, err := toID(r.GetChannelId())
	if err != nil {
		return nil, toStatus(err, "")
	}
	due, err := s.Store.Trigger(ctx, id, s.Now())
	if err != nil {
		return nil, toStatus(err, notFollowed(id))
	}
	s.Wake()
	return &schedulerv1.TriggerRunResponse{MadeDue: due}, nil
}

// RereadChannel puts ids down to be read again, and makes the channel due.
func (s *Runs) RereadChannel(ctx context.Context, r *schedulerv1.RereadChannelRequest) (*schedulerv1.RereadChannelResponse, error) {
	id, err := toID(r.GetChannelId())
	if err != nil {
		return nil, toStatus(err, "")
	}
	if _, err := s.Store.Trigger(ctx, id, s.Now()); err != nil {
		return nil, toStatus(err, notFollowed(id))
	}
	marks, err := s.Marks.Get(ctx, []plan.ChannelID{id})
	if err != nil {
		return nil, toStatus(err, "")
	}
	ids, err := toCovered(r.GetIds(), marks[id].Covered)
	if err != nil {
		return nil, toStatus(err, "")
	}
	waits, err := s.Store.Ask(ctx, id, ids, s.Now())
	if err == nil {
		_, err = s.Store.Trigger(ctx, id, s.Now())
	}
	if err != nil {
		return nil, toStatus(err, notFollowed(id))
	}
	s.Wake()
	return &schedulerv1.RereadChannelResponse{Ids: &typev1.IdRange{First: waits.First, Last: waits.Last}}, nil
}

// toCovered is the part of a range, or of everything, that lies within what is covered.
func toCovered(r *typev1.IdRange, covered []plan.Range) (plan.Range, error) {
	switch {
	case r != nil && (r.GetFirst() < 1 || r.GetLast() < r.GetFirst()):
		return plan.Range{}, &plan.FieldError{Field: "ids", Problem: "is no range of message ids: want 1 <= first <= last"}
	case len(covered) == 0:
		return plan.Range{}, plan.ErrNothingCovered
	}
	all := plan.Range{First: covered[0].First, Last: covered[len(covered)-1].Last}
	if r == nil {
		return all, nil
	}
	ids := plan.Range{First: max(r.GetFirst(), all.First), Last: min(r.GetLast(), all.Last)}
	if ids.First > ids.Last {
		return ids, &plan.FieldError{Field: "ids", Problem: fmt.Sprintf("lies outside of what is covered, %d to %d", all.First, all.Last)}
	}
	return ids, nil
}

// GetRun answers one.
func (s *Runs) GetRun(ctx context.Context, r *schedulerv1.GetRunRequest) (*schedulerv1.GetRunResponse, error) {
	run, err := s.Store.Run(ctx, plan.RunID(r.GetRunId()))
	if err != nil {
		return nil, toRunStatus(err, plan.RunID(r.GetRunId()))
	}
	return &schedulerv1.GetRunResponse{Run: fromRun(run)}, nil
}

// ListRuns answers a page, newest first.
func (s *Runs) ListRuns(ctx context.Context, r *schedulerv1.ListRunsRequest) (*schedulerv1.ListRunsResponse, error) {
	size, err := rpc.PageSize(r.GetPageSize())
	if err != nil {
		return nil, err
	}
	before := plan.RunID(math.MaxInt64)
	if err := rpc.ReadPageToken(r, &before); err != nil {
		return nil, err
	}
	channel, err := anyChannel(r.GetChannelId())
	if err != nil {
		return nil, toStatus(err, "")
	}
	outcome, err := keyOf("outcome", outcomes, r.GetOutcome())
	if err != nil {
		return nil, toStatus(err, "")
	}
	runs, err := s.Store.Runs(ctx, channel, outcome, before, size+1)
	if err != nil {
		return nil, toStatus(err, "")
	}
	resp := &schedulerv1.ListRunsResponse{}
	for _, run := range runs[:min(size, len(runs))] {
		resp.Runs = append(resp.Runs, fromRun(run))
	}
	if len(runs) > size {
		resp.NextPageToken = rpc.PageToken(r, runs[size-1].ID)
	}
	return resp, nil
}

// anyChannel is 0 for all.
func anyChannel(id int64) (plan.ChannelID, error) {
	if id == 0 {
		return 0, nil
	}
	return toID(id)
}

// WatchRuns streams runs as they end. It asks the table: a watcher costs a query now and then, and never holds a transaction open.
func (s *Runs) WatchRuns(r *schedulerv1.WatchRunsRequest, stream grpc.ServerStreamingServer[schedulerv1.WatchRunsResponse]) error {
	ctx := stream.Context()
	channel, err := anyChannel(r.GetChannelId())
	if err != nil {
		return toStatus(err, "")
	}
	at, err := s.start(ctx, r.GetResumeToken())
	if err != nil {
		return toStatus(err, "")
	}
	look, beat := time.NewTicker(watchEvery), time.NewTicker(heartbeat)
	defer look.Stop()
	defer beat.Stop()
	for {
		runs, err := s.Store.Ended(ctx, channel, at, watchPage)
		if err != nil {
			return toStatus(err, "")
		}
		for _, run := range runs {
			at = run.Sequence
			if err := stream.Send(&schedulerv1.WatchRunsResponse{Run: fromRun(run), ResumeToken: token(at)}); err != nil {
				return err
			}
		}
		if len(runs) == watchPage {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-look.C:
		case <-beat.C:
			if err := stream.Send(&schedulerv1.WatchRunsResponse{ResumeToken: token(at)}); err != nil {
				return err
			}
		}
	}
}

func token(sequence int64) string { return strconv.FormatInt(sequence, 36) }

// start is where a watcher goes on: behind its token, or now.
func (s *Runs) start(ctx context.Context, resume string) (int64, error) {
	last, err := s.Store.LastEnd(ctx)
	if err != nil || resume == "" {
		return last, err
	}
	at, err := strconv.ParseInt(resume, 36, 64)
	if err != nil || at < 0 || at > last {
		return 0, &plan.FieldError{Field: "resume_token", Problem: "is none that this service gave: start without one"}
	}
	return at, nil
}
