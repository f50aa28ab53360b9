package rpc

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"

	"github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/services/scheduler/internal/plan"
)

// toStatus is the one place where the core's errors become gRPC's. A peer's typed status passes as it is: it says what to do already.
func toStatus(err error, what string) error {
	var field *plan.FieldError
	var problem *plan.Problem
	switch {
	case err == nil:
		return nil
	case errors.As(err, &field):
		return rpc.InvalidField(field.Field, field.Problem)
	case errors.As(err, &problem):
		if rpc.Reason(problem.Cause) != "" {
			return problem.Cause
		}
		return rpc.Error(codes.Unavailable, problem.Reason, problem.Message+": check that it runs, then repeat", rpc.WithCause(problem.Cause))
	case errors.Is(err, plan.ErrUnknown):
		return rpc.Error(codes.NotFound, "CHANNEL_NOT_FOLLOWED", what+": see `tidemark channel list` for what is followed")
	case errors.Is(err, plan.ErrPaused):
		return rpc.Error(codes.FailedPrecondition, "CHANNEL_PAUSED", "the channel is paused: resume it, and it is read at once")
	case errors.Is(err, plan.ErrNothingCovered):
		return rpc.Error(codes.FailedPrecondition, "NOTHING_COVERED", "nothing of this channel is covered yet: its first read comes by itself")
	case errors.Is(err, plan.ErrDown):
		return rpc.Error(codes.Unavailable, "STORE_UNREACHABLE", "Postgres does not answer: check that it runs, then repeat; nothing was changed", rpc.WithCause(err))
	case errors.Is(err, context.DeadlineExceeded):
		return rpc.Error(codes.DeadlineExceeded, "DEADLINE_EXCEEDED", "the call ran out of time; it is safe to repeat", rpc.WithCause(err))
	}
	return err
}

// toRunStatus is toStatus for calls that name a run.
func toRunStatus(err error, id plan.RunID) error {
	if errors.Is(err, plan.ErrUnknown) {
		return rpc.Error(codes.NotFound, "RUN_NOT_FOUND", fmt.Sprintf("there is no run %d: ListRuns shows those that are", id))
	}
	return toStatus(err, "")
}

func notFollowed(id plan.ChannelID) string { return fmt.Sprintf("channel %d is not followed", id) }
