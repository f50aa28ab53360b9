package telegram

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gotd/td/exchange"
	"github.com/gotd/td/tgerr"

	"github.com/tidemark/tidemark/services/parser/internal/account"
	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

// errStale is an access hash that Telegram no longer accepts.
var errStale = errors.New("the access hash is no longer valid")

// verdict is what an error of a call means.
type verdict struct {
	outcome string        // of the metric: "ok", "flood", "transient", ...
	flood   time.Duration // > 0: Telegram told us to wait
	again   bool          // the same call may succeed in a moment
	state   account.State // not empty: what has become of the account
	err     error         // for the caller, one of ingest's where there is one
}

// Telegram's errors by what they mean to us. What is in none of the lists is a refusal of its own.
var (
	bannedErrors    = []string{"USER_DEACTIVATED", "USER_DEACTIVATED_BAN", "PHONE_NUMBER_BANNED", "INPUT_USER_DEACTIVATED"}
	frozenErrors    = []string{"FROZEN_METHOD_INVALID", "FROZEN_PARTICIPANT_MISSING"}
	goneErrors      = []string{"AUTH_KEY_UNREGISTERED", "AUTH_KEY_INVALID", "AUTH_KEY_DUPLICATED", "SESSION_REVOKED", "SESSION_EXPIRED"}
	privateErrors   = []string{"CHANNEL_PRIVATE", "CHANNEL_PUBLIC_GROUP_NA", "CHAT_FORBIDDEN", "USER_BANNED_IN_CHANNEL", "CHAT_ADMIN_REQUIRED"}
	unknownErrors   = []string{"USERNAME_NOT_OCCUPIED", "USERNAME_INVALID"}
	staleErrors     = []string{"CHANNEL_INVALID", "PEER_ID_INVALID", "CHAT_ID_INVALID"}
	transientErrors = []string{
		"Timedout", "Timeout", "No workers running", "memory limit exit", "RPC_CALL_FAIL", "RPC_MCGET_FAIL", "WORKER_BUSY_TOO_LONG_RETRY",
		"PERSISTENT_TIMESTAMP_OUTDATED", "MSG_WAIT_FAILED", "MSG_WAIT_TIMEOUT", "INTERDC_CALL_ERROR", "INTERDC_CALL_RICH_ERROR",
	}
)

const (
	codeUnauthorized = 401
	codeFlood        = 420
	codeServer       = 500
)

// judge says what an error of a call means; ctx is the caller's, without our own deadline for one call.
func judge(ctx context.Context, err error) verdict {
	if err == nil {
		return verdict{outcome: "ok"}
	}
	if rpc, ok := tgerr.As(err); ok {
		return judgeRPC(rpc, err)
	}
	var forbidden *ForbiddenError
	switch {
	case errors.As(err, &forbidden):
		return verdict{outcome: "forbidden", err: err}
	case errors.Is(context.Cause(ctx), context.Canceled):
		return verdict{outcome: "canceled", err: fmt.Errorf("asked no longer: %w", err)}
	case errors.Is(err, exchange.ErrKeyFingerprintNotFound):
		return verdict{outcome: "unreachable", err: unreachable(err)}
	case ctx.Err() == nil && errors.Is(err, context.Canceled):
		// The connection died after Telegram had taken the request and before it answered. Asking again is safe: we only read.
		return verdict{outcome: "transient", again: true, err: unreachable(err)}
	}
	return verdict{outcome: "unreachable", err: unreachable(err)}
}

func judgeRPC(rpc *tgerr.Error, err error) verdict {
	switch {
	case rpc.IsOneOf(frozenErrors...):
		return verdict{outcome: "session", state: account.Frozen, err: fmt.Errorf("%w: %w", ingest.ErrFrozen, err)}
	case rpc.IsOneOf(bannedErrors...):
		return verdict{outcome: "session", state: account.Banned, err: fmt.Errorf("%w: %w", ingest.ErrBanned, err)}
	case rpc.IsOneOf(goneErrors...), rpc.IsCode(codeUnauthorized):
		return verdict{outcome: "session", state: account.Revoked, err: fmt.Errorf("%w: %w", ingest.ErrSession, err)}
	case rpc.IsCode(codeFlood):
		return verdict{outcome: "flood", flood: max(time.Second, time.Duration(rpc.Argument)*time.Second), err: err}
	case rpc.IsOneOf(privateErrors...):
		return verdict{outcome: "private", err: fmt.Errorf("%w: %w", ingest.ErrPrivate, err)}
	case rpc.IsOneOf(unknownErrors...):
		return verdict{outcome: "unknown", err: fmt.Errorf("%w: %w", ingest.ErrUnknown, err)}
	case rpc.IsOneOf(staleErrors...):
		return verdict{outcome: "stale", err: fmt.Errorf("%w: %w", errStale, err)}
	case rpc.IsOneOf(transientErrors...), rpc.Code >= codeServer, rpc.Code < 0:
		return verdict{outcome: "transient", again: true, err: unreachable(err)}
	}
	return verdict{outcome: "refused", err: fmt.Errorf("telegram refuses: %w", err)}
}

// ended is why an account of a state reads no more.
func ended(id account.ID, s account.State) error {
	why := ingest.ErrSession
	switch s {
	case account.Frozen:
		why = ingest.ErrFrozen
	case account.Banned:
		why = ingest.ErrBanned
	}
	return fmt.Errorf("account %d is %s: %w", id, s, why)
}

func unreachable(err error) error { return fmt.Errorf("%w: %w", ingest.ErrUnreachable, err) }

// toFlood turns the core's wait into the source's.
func toFlood(err error) error {
	var f *account.FloodError
	if errors.As(err, &f) {
		return &ingest.FloodError{Account: ingest.AccountID(f.Account), Method: f.Method, Wait: f.Wait}
	}
	return err
}

// anotherMayDo is true for errors that are one account's trouble.
func anotherMayDo(err error) bool {
	var f *ingest.FloodError
	return errors.As(err, &f) || errors.Is(err, ingest.ErrSession) || errors.Is(err, ingest.ErrPrivate) || errors.Is(err, ingest.ErrNotMember)
}
