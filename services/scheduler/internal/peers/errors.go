package peers

import (
	"errors"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/services/scheduler/internal/plan"
)

// kinds mirrors the reasons that the parser and the watermark give.
var kinds = map[string]plan.Kind{
	"CHANNEL_PRIVATE": plan.Barred, "NOT_A_MEMBER": plan.Barred, "CHANNEL_NOT_FOUND": plan.Barred,
	"NO_ACCOUNT": plan.NoReader, "ACCOUNT_ELSEWHERE": plan.NoReader, "SESSION_GONE": plan.NoReader, "ACCOUNT_FROZEN": plan.NoReader, "ACCOUNT_BANNED": plan.NoReader,
	"FLOOD_WAIT":        plan.Flooded,
	"HISTORY_RESTARTED": plan.Restarted, "NOTHING_PROVED": plan.Unproved,
	"STALE_RUN_TOKEN": plan.Stale, "STALE_GENERATION": plan.Stale,
}

func kindOf(reason string) plan.Kind { return kinds[reason] }

// problem is an error of the wire as the core sees it: by its reason first, by its code where it has none that we know.
func problem(peer string, err error) error {
	if err == nil {
		return nil
	}
	s := status.Convert(err)
	p := &plan.Problem{Reason: rpc.Reason(err), Message: s.Message(), Cause: err}
	p.Retry, _ = rpc.RetryAfter(err)
	kind, known := kinds[p.Reason]
	switch {
	case s.Code() == codes.Unauthenticated, p.Reason == "SCOPE_TOO_SMALL": // nothing about the channel, nor about who called us
		p.Reason, p.Message = "PEER_REFUSES_US", "the "+peer+" service does not let this one in: check --tls-cert-file and --tls-ca-file of both"
		p.Cause = errors.New(s.Message())
	case known:
		p.Kind = kind
	case s.Code() == codes.NotFound, s.Code() == codes.PermissionDenied:
		p.Kind = plan.Barred
	case s.Code() == codes.InvalidArgument:
		p.Kind = plan.Refused
	case s.Code() == codes.Aborted:
		p.Kind = plan.Stale
	case s.Code() == codes.Unavailable && p.Reason == "":
		p.Reason, p.Message = "PEER_UNREACHABLE", "the "+peer+" service does not answer"
	}
	if p.Reason == "" {
		p.Reason = code.Code(s.Code()).String() // DEADLINE_EXCEEDED, where codes.Code says DeadlineExceeded
	}
	return p
}
