package rpc

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"

	"github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/services/watermark/internal/mark"
)

// toStatus is the one place where the core's errors become gRPC's. What it does not know stays as it is, and the boundary makes it INTERNAL.
func toStatus(err error, k mark.Key) error {
	var field *mark.FieldError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &field):
		return rpc.InvalidField(field.Field, field.Problem)
	case errors.Is(err, mark.ErrUnknown):
		return rpc.Error(codes.NotFound, "WATERMARK_NOT_FOUND", fmt.Sprintf("no watermark of channel %d in stage %q: nothing was reported yet", k.Channel, k.Stage))
	case errors.Is(err, mark.ErrStaleRun):
		return rpc.Error(codes.Aborted, "STALE_RUN_TOKEN", "a newer run has reported already: drop this run")
	case errors.Is(err, mark.ErrStaleGeneration):
		return rpc.Error(codes.Aborted, "STALE_GENERATION", "the watermark was rewound after this run was planned: read it again and plan anew")
	case errors.Is(err, mark.ErrEtag):
		return rpc.Error(codes.Aborted, "ETAG_MISMATCH", "the watermark changed since it was read: read it again and decide anew")
	case errors.Is(err, mark.ErrDown):
		return rpc.Error(codes.Unavailable, "STORE_UNREACHABLE", "Postgres does not answer: check that it runs, then repeat; nothing was changed", rpc.WithCause(err))
	case errors.Is(err, context.DeadlineExceeded):
		return rpc.Error(codes.DeadlineExceeded, "DEADLINE_EXCEEDED", "the call ran out of time; it is safe to repeat", rpc.WithCause(err))
	}
	return err
}
