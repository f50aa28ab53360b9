package rpc

import (
	"errors"

	"google.golang.org/grpc/codes"

	kitrpc "github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/services/parser/internal/account"
)

// accountStatus says errors of accounts and logins on the wire; the rest is toStatus's.
func accountStatus(err error) error {
	var flood *account.FloodError
	var key *account.ServerKeyError
	var away *account.UnreachableError
	refuse := func(code codes.Code, reason string, said error, opts ...kitrpc.ErrorOption) error {
		return kitrpc.Error(code, reason, said.Error(), append(opts, kitrpc.WithCause(err))...)
	}
	switch {
	case err == nil:
		return nil
	case errors.As(err, &flood):
		return refuse(codes.ResourceExhausted, "FLOOD_WAIT", flood, kitrpc.WithRetry(flood.Wait), kitrpc.WithMeta("method", flood.Method))
	case errors.As(err, &key):
		return refuse(codes.FailedPrecondition, "TELEGRAM_KEY_UNKNOWN", key)
	case errors.As(err, &away):
		return refuse(codes.Unavailable, "TELEGRAM_UNREACHABLE", away)
	case errors.Is(err, account.ErrUnknown):
		return refuse(codes.NotFound, "ACCOUNT_NOT_FOUND", account.ErrUnknown)
	case errors.Is(err, account.ErrPhone):
		return refuse(codes.InvalidArgument, "PHONE_NUMBER_INVALID", account.ErrPhone, kitrpc.WithField("phone", "give it in international form, e.g. +10000000000"))
	case errors.Is(err, account.ErrCode):
		return refuse(codes.InvalidArgument, "PHONE_CODE_INVALID", account.ErrCode, kitrpc.WithField("code", "is wrong; the login is still open"))
	case errors.Is(err, account.ErrPassword):
		return refuse(codes.InvalidArgument, "PASSWORD_HASH_INVALID", account.ErrPassword, kitrpc.WithField("password", "is wrong; the login is still open"))
	case errors.Is(err, account.ErrNoLogin):
		return refuse(codes.NotFound, "LOGIN_NOT_FOUND", account.ErrNoLogin)
	}
	for _, c := range []struct {
		is     error
		reason string
	}{
		{account.ErrCodeStale, "PHONE_CODE_EXPIRED"}, {account.ErrOrder, "LOGIN_ORDER"}, {account.ErrSignUp, "SIGN_UP_NEEDED"},
		{account.ErrAPIID, "API_ID_INVALID"}, {account.ErrAbandoned, "LOGIN_ABANDONED"}, {account.ErrLeased, "ACCOUNT_ELSEWHERE"},
	} {
		if errors.Is(err, c.is) {
			return refuse(codes.FailedPrecondition, c.reason, c.is)
		}
	}
	return toStatus(err)
}
