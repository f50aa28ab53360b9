package rpc

import (
	"context"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	schedulerv1 "github.com/tidemark/tidemark/gen/tidemark/scheduler/v1"
	"github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/services/scheduler/internal/plan"
)

// Overview is how the whole is.
type Overview struct {
	LastTick              time.Time
	TickEvery             time.Duration
	Due, Queued, InFlight int
	States                map[plan.State]int
	LastProgress          time.Time
	OldestDue             time.Time
}

// Status serves SchedulerService.
type Status struct {
	schedulerv1.UnimplementedSchedulerServiceServer
	Overview func(context.Context) (Overview, error)
}

// GetStatus tells how the whole is.
func (s *Status) GetStatus(ctx context.Context, _ *schedulerv1.GetStatusRequest) (*schedulerv1.GetStatusResponse, error) {
	o, err := s.Overview(ctx)
	if err != nil {
		return nil, toStatus(err, "")
	}
	resp := &schedulerv1.GetStatusResponse{
		LastTickAt: rpc.Stamp(o.LastTick), TickInterval: durationpb.New(o.TickEvery), Due: int32(o.Due), Queued: int32(o.Queued), InFlight: int32(o.InFlight),
		LastProgressAt: rpc.Stamp(o.LastProgress), OldestDueAt: rpc.Stamp(o.OldestDue),
	}
	for state, n := range o.States {
		resp.Channels = append(resp.Channels, &schedulerv1.ChannelStateCount{State: channelStates[state], Count: int32(n)})
	}
	slices.SortFunc(resp.Channels, func(a, b *schedulerv1.ChannelStateCount) int { return int(a.State - b.State) })
	return resp, nil
}
