package rpc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"

	kitrpc "github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

// refusal is an error as others see it.
type refusal struct {
	code    codes.Code
	reason  string
	message string
}

// refusals are the core's errors that come without data.
var refusals = []struct {
	is error
	refusal
}{
	{ingest.ErrPrivate, refusal{codes.PermissionDenied, "CHANNEL_PRIVATE", "the channel is private: join it with the account first"}},
	{ingest.ErrUnknown, refusal{codes.NotFound, "CHANNEL_NOT_FOUND", "Telegram knows no such channel: check the name or id"}},
	{ingest.ErrNotMember, refusal{codes.PermissionDenied, "NOT_A_MEMBER", "the channel is known to no account of ours: resolve it by its @name, or join it with the account first"}},
	{ingest.ErrNoAccount, refusal{codes.FailedPrecondition, "NO_ACCOUNT", "no account is logged in: log in first: tidemark login --phone ..."}},
	{ingest.ErrElsewhere, refusal{codes.Unavailable, "ACCOUNT_ELSEWHERE", "another parser reads with the account, or did until a moment ago: repeat in some seconds"}},
	{ingest.ErrFrozen, refusal{codes.FailedPrecondition, "ACCOUNT_FROZEN", "Telegram froze the account: appeal in Telegram's app, or log in another: tidemark login --phone ..."}},
	{ingest.ErrBanned, refusal{codes.FailedPrecondition, "ACCOUNT_BANNED", "Telegram banned or deleted the account: log in another: tidemark login --phone ..."}},
	{ingest.ErrSession, refusal{codes.FailedPrecondition, "SESSION_GONE", "the account's session is gone: log in again: tidemark login --phone ..."}},
	{ingest.ErrUnreachable, refusal{codes.Unavailable, "TELEGRAM_UNREACHABLE", "Telegram does not answer: check the network, then repeat"}},
	{ingest.ErrStoreDown, refusal{codes.Unavailable, "STORE_UNREACHABLE", "Postgres does not answer: check that it runs, then repeat; nothing is half done"}},
	{ingest.ErrRestarted, refusal{codes.FailedPrecondition, "HISTORY_RESTARTED", "the channel's message ids began anew: rewind its watermark, then read it from the start"}},
	{ingest.ErrUnproved, refusal{codes.Unavailable, "NOTHING_PROVED", "Telegram's answer says nothing about the messages asked for: repeat later"}},
	{context.DeadlineExceeded, refusal{codes.DeadlineExceeded, "DEADLINE_EXCEEDED", "the call ran out of time; it is safe to repeat"}},
	{context.Canceled, refusal{codes.Canceled, "CANCELED", "the caller went away"}},
}

// refused finds what an error is to others; false for one that is ours alone.
func refused(err error) (refusal, bool) {
	var flood *ingest.FloodError
	if errors.As(err, &flood) {
		return refusal{codes.ResourceExhausted, ingest.FloodWait, fmt.Sprintf("Telegram asks to wait %s with %s", flood.Wait, flood.Method)}, true
	}
	for _, r := range refusals {
		if errors.Is(err, r.is) {
			return r.refusal, true
		}
	}
	return refusal{}, false
}

// toStatus is the one place where the core's errors become gRPC's. What it does not know stays as it is, and the boundary makes it INTERNAL.
func toStatus(err error) error {
	var ref *ingest.RefError
	if errors.As(err, &ref) {
		return kitrpc.InvalidField("ref", ref.Error())
	}
	r, ok := refused(err)
	if err == nil || !ok {
		return err
	}
	opts := []kitrpc.ErrorOption{kitrpc.WithCause(err)}
	if wait := waitOf(err); wait > 0 {
		opts = append(opts, kitrpc.WithRetry(wait))
	}
	return kitrpc.Error(r.code, r.reason, r.message, opts...)
}

// waitOf is how long Telegram asks to wait, if it does.
func waitOf(err error) time.Duration {
	var flood *ingest.FloodError
	if errors.As(err, &flood) {
		return flood.Wait
	}
	return 0
}
