package rpc

import (
	"strconv"
	"time"

	parserv1 "github.com/tidemark/tidemark/gen/tidemark/parser/v1"
	kitrpc "github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/services/parser/internal/account"
)

const (
	defaultAccounts = 100
	maxAccounts     = 1000
)

// accountsPage is how many accounts are wanted, and after which one.
func accountsPage(in *parserv1.ListAccountsRequest) (size int, after account.ID, err error) {
	size = int(in.GetPageSize())
	if size < 0 || size > maxAccounts {
		return 0, 0, kitrpc.InvalidField("page_size", "must be 0 to 1000")
	}
	if size == 0 {
		size = defaultAccounts
	}
	if in.GetPageToken() == "" {
		return size, 0, nil
	}
	id, err := strconv.ParseInt(in.GetPageToken(), 36, 64)
	if err != nil || id <= 0 {
		return 0, 0, kitrpc.InvalidField("page_token", "is not one of ours")
	}
	return size, account.ID(id), nil
}

// fromAccount says an account on the wire; one that is told to wait long is FLOODED, until it can read again.
func fromAccount(a account.Account, now time.Time) *parserv1.Account {
	out := &parserv1.Account{
		Id: int64(a.ID), Username: a.Username, MaskedPhone: a.MaskedPhone, State: fromAccountState(a.State),
		LoggedInAt: kitrpc.Stamp(a.CreatedAt), LastOkAt: kitrpc.Stamp(a.LastOKAt),
	}
	if until := a.FloodedUntil(now); !until.IsZero() {
		out.BlockedUntil = kitrpc.Stamp(until)
		if a.State == account.Active {
			out.State = parserv1.AccountState_ACCOUNT_STATE_FLOODED
		}
	}
	for _, f := range a.Floods {
		out.Floods = append(out.Floods, &parserv1.Flood{Method: f.Method, BlockedUntil: kitrpc.Stamp(f.Until)})
	}
	return out
}

func fromAccountState(s account.State) parserv1.AccountState {
	switch s {
	case account.Active:
		return parserv1.AccountState_ACCOUNT_STATE_ACTIVE
	case account.Unreachable:
		return parserv1.AccountState_ACCOUNT_STATE_UNREACHABLE
	case account.Frozen:
		return parserv1.AccountState_ACCOUNT_STATE_FROZEN
	case account.Revoked:
		return parserv1.AccountState_ACCOUNT_STATE_REVOKED
	case account.Banned:
		return parserv1.AccountState_ACCOUNT_STATE_BANNED
	}
	return parserv1.AccountState_ACCOUNT_STATE_UNSPECIFIED
}

func fromLoginState(s account.LoginState) parserv1.LoginState {
	switch s {
	case account.CodeNeeded:
		return parserv1.LoginState_LOGIN_STATE_CODE_NEEDED
	case account.PasswordNeeded:
		return parserv1.LoginState_LOGIN_STATE_PASSWORD_NEEDED
	case account.LoggedIn:
		return parserv1.LoginState_LOGIN_STATE_DONE
	}
	return parserv1.LoginState_LOGIN_STATE_UNSPECIFIED
}
