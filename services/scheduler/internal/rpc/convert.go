package rpc

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	schedulerv1 "github.com/tidemark/tidemark/gen/tidemark/scheduler/v1"
	typev1 "github.com/tidemark/tidemark/gen/tidemark/type/v1"
	"github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/services/scheduler/internal/plan"
)

const (
	// supergroupPrefix is what the Bot API and many clients put before a channel's id: -100<id>.
	supergroupPrefix = -1_000_000_000_000
	// maxNote bounds a pause note, in characters.
	maxNote          = 500
	leastInterval    = 10 * time.Second
	mostInterval     = 30 * 24 * time.Hour
	leastHorizonAge  = time.Hour
	mostHorizonAge   = 100 * 365 * 24 * time.Hour
	mostHorizonCount = 1<<31 - 1
)

func toID(id int64) (plan.ChannelID, error) {
	if id < supergroupPrefix {
		id = supergroupPrefix - id
	}
	if id <= 0 {
		return 0, &plan.FieldError{Field: "channel_id", Problem: "must be a Telegram channel id: positive, or in its -100... form"}
	}
	return plan.ChannelID(id), nil
}

// toInterval is 0 for an absent one.
func toInterval(d *durationpb.Duration) (time.Duration, error) {
	if d == nil {
		return 0, nil
	}
	if i := d.AsDuration(); d.IsValid() && i >= leastInterval && i <= mostInterval {
		return i, nil
	}
	return 0, &plan.FieldError{Field: "interval", Problem: fmt.Sprintf("must be %s to %s", leastInterval, mostInterval)}
}

func toHorizon(h *schedulerv1.Horizon) (plan.Horizon, error) {
	switch l := h.GetLimit().(type) {
	case *schedulerv1.Horizon_Age:
		if age := l.Age.AsDuration(); l.Age.IsValid() && age >= leastHorizonAge && age <= mostHorizonAge {
			return plan.Horizon{Age: age}, nil
		}
		return plan.Horizon{}, &plan.FieldError{Field: "horizon.age", Problem: fmt.Sprintf("must be at least %s", leastHorizonAge)}
	case *schedulerv1.Horizon_Ids:
		if l.Ids >= 1 && l.Ids <= mostHorizonCount {
			return plan.Horizon{Messages: l.Ids}, nil
		}
		return plan.Horizon{}, &plan.FieldError{Field: "horizon.ids", Problem: "must be at least 1"}
	}
	return plan.Horizon{}, nil
}

func fromHorizon(h plan.Horizon) *schedulerv1.Horizon {
	switch {
	case h.Age > 0:
		return &schedulerv1.Horizon{Limit: &schedulerv1.Horizon_Age{Age: durationpb.New(h.Age)}}
	case h.Messages > 0:
		return &schedulerv1.Horizon{Limit: &schedulerv1.Horizon_Ids{Ids: h.Messages}}
	}
	return nil
}

var channelStates = map[plan.State]schedulerv1.ChannelState{
	plan.New: schedulerv1.ChannelState_CHANNEL_STATE_NEW, plan.Active: schedulerv1.ChannelState_CHANNEL_STATE_ACTIVE, plan.Idle: schedulerv1.ChannelState_CHANNEL_STATE_IDLE,
	plan.Blocked: schedulerv1.ChannelState_CHANNEL_STATE_BLOCKED, plan.Paused: schedulerv1.ChannelState_CHANNEL_STATE_PAUSED,
}

var outcomes = map[plan.Outcome]schedulerv1.RunOutcome{
	plan.Done: schedulerv1.RunOutcome_RUN_OUTCOME_DONE, plan.More: schedulerv1.RunOutcome_RUN_OUTCOME_MORE, plan.Waiting: schedulerv1.RunOutcome_RUN_OUTCOME_WAITING,
	plan.OutBarred: schedulerv1.RunOutcome_RUN_OUTCOME_BLOCKED, plan.OutFailed: schedulerv1.RunOutcome_RUN_OUTCOME_FAILED, plan.Lost: schedulerv1.RunOutcome_RUN_OUTCOME_LOST,
	plan.Running: schedulerv1.RunOutcome_RUN_OUTCOME_RUNNING,
}

var runModes = map[plan.Mode]typev1.ReadMode{
	plan.Historical: typev1.ReadMode_READ_MODE_HISTORICAL, plan.Incremental: typev1.ReadMode_READ_MODE_INCREMENTAL, plan.CatchUp: typev1.ReadMode_READ_MODE_CATCH_UP,
	plan.Refresh: typev1.ReadMode_READ_MODE_REFRESH,
	plan.Skip:    typev1.ReadMode_READ_MODE_SKIP,
}

// keyOf is the core's word for a wire's, "" for the unspecified one. A filter that is none is refused: it must not read as all.
func keyOf[K ~string, V ~int32](field string, words map[K]V, wire V) (K, error) {
	for k, v := range words {
		if v == wire {
			return k, nil
		}
	}
	if wire != 0 {
		return "", &plan.FieldError{Field: field, Problem: fmt.Sprintf("%d is none that this version knows: leave it out for all", wire)}
	}
	return "", nil
}

func fromChannel(c plan.Channel) *schedulerv1.FollowedChannel {
	kind := typev1.ChannelKind_CHANNEL_KIND_BROADCAST
	if c.Supergroup {
		kind = typev1.ChannelKind_CHANNEL_KIND_SUPERGROUP
	}
	return &schedulerv1.FollowedChannel{
		Channel: &typev1.Channel{Id: int64(c.ID), Username: c.Username, Title: c.Title, Kind: kind, Protected: c.Protected},
		State:   channelStates[c.State], BlockedReason: c.Reason, PauseNote: c.Note, Interval: durationpb.New(c.Interval), Horizon: fromHorizon(c.Horizon),
		NextRunAt: rpc.Stamp(c.NextRunAt), CheckedAt: rpc.Stamp(c.CheckedAt), AdvancedAt: rpc.Stamp(c.AdvancedAt), Failures: int32(c.Failures), CreatedAt: rpc.Stamp(c.CreatedAt),
	}
}

func fromRun(r plan.Run) *schedulerv1.Run {
	return &schedulerv1.Run{
		Id: int64(r.ID), ChannelId: int64(r.Channel), Mode: runModes[r.Mode], Outcome: outcomes[r.Outcome], StartedAt: rpc.Stamp(r.StartedAt), FinishedAt: rpc.Stamp(r.FinishedAt),
		PostsNew: int32(r.New), PostsChanged: int32(r.Changed), IdsCovered: r.Covered, MessagesRead: int32(r.Messages), PagesRead: int32(r.Pages),
		ErrorReason: r.Reason, ErrorMessage: r.Message, ErrorStage: r.Stage, ResumeAt: rpc.Stamp(r.ResumeAt),
	}
}
