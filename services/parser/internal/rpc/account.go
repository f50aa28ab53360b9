package rpc

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"google.golang.org/grpc"

	parserv1 "github.com/tidemark/tidemark/gen/tidemark/parser/v1"
	kitrpc "github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/services/parser/internal/account"
)

// Logins is what the accounts' door needs of Telegram.
type Logins interface {
	// StartLogin reports each step of a login and returns when it is done or failed.
	StartLogin(ctx context.Context, phone string, report func(account.LoginStep) error) error
	SubmitCode(ctx context.Context, login, code string) (account.LoginState, error)
	SubmitPassword(ctx context.Context, login, password string) (account.LoginState, error)
	Logout(ctx context.Context, id account.ID) error
}

// AccountServer is tidemark.parser.v1.AccountService.
type AccountServer struct {
	parserv1.UnimplementedAccountServiceServer
	logins   Logins
	accounts account.Directory
	now      func() time.Time
}

var _ parserv1.AccountServiceServer = (*AccountServer)(nil)

// NewAccountServer answers for the accounts of a directory.
func NewAccountServer(logins Logins, accounts account.Directory, now func() time.Time) *AccountServer {
	return &AccountServer{logins: logins, accounts: accounts, now: now}
}

// StartLogin streams the states of a login.
func (s *AccountServer) StartLogin(in *parserv1.StartLoginRequest, stream grpc.ServerStreamingServer[parserv1.StartLoginResponse]) error {
	if in.GetPhone() == "" {
		return kitrpc.InvalidField("phone", "is missing: give it in international form, e.g. +10000000000")
	}
	ctx := stream.Context()
	err := s.logins.StartLogin(ctx, in.GetPhone(), func(step account.LoginStep) error {
		out := &parserv1.StartLoginResponse{LoginId: step.Login, State: fromLoginState(step.State)}
		if step.State == account.LoggedIn {
			a, err := s.accounts.Account(ctx, step.Account, s.now())
			if err != nil {
				return fmt.Errorf("read the new account: %w", err)
			}
			out.Account = fromAccount(a, s.now())
		}
		return stream.Send(out)
	})
	return accountStatus(err)
}

// SubmitCode hands in a login's code.
func (s *AccountServer) SubmitCode(ctx context.Context, in *parserv1.SubmitCodeRequest) (*parserv1.SubmitCodeResponse, error) {
	if in.GetCode() == "" {
		return nil, kitrpc.InvalidField("code", "is missing")
	}
	state, err := s.logins.SubmitCode(ctx, in.GetLoginId(), in.GetCode())
	if err != nil {
		return nil, accountStatus(err)
	}
	return &parserv1.SubmitCodeResponse{State: fromLoginState(state)}, nil
}

// SubmitPassword hands in a login's second factor.
func (s *AccountServer) SubmitPassword(ctx context.Context, in *parserv1.SubmitPasswordRequest) (*parserv1.SubmitPasswordResponse, error) {
	if in.GetPassword() == "" {
		return nil, kitrpc.InvalidField("password", "is missing")
	}
	state, err := s.logins.SubmitPassword(ctx, in.GetLoginId(), in.GetPassword())
	if err != nil {
		return nil, accountStatus(err)
	}
	return &parserv1.SubmitPasswordResponse{State: fromLoginState(state)}, nil
}

// ListAccounts lists all accounts by id.
func (s *AccountServer) ListAccounts(ctx context.Context, in *parserv1.ListAccountsRequest) (*parserv1.ListAccountsResponse, error) {
	size, after, err := accountsPage(in)
	if err != nil {
		return nil, err
	}
	found, err := s.accounts.Accounts(ctx, after, size+1, s.now())
	if err != nil {
		return nil, accountStatus(err)
	}
	out := &parserv1.ListAccountsResponse{}
	if len(found) > size {
		found = found[:size]
		out.NextPageToken = strconv.FormatInt(int64(found[size-1].ID), 36)
	}
	for _, a := range found {
		out.Accounts = append(out.Accounts, fromAccount(a, s.now()))
	}
	return out, nil
}

// GetAccount is one account.
func (s *AccountServer) GetAccount(ctx context.Context, in *parserv1.GetAccountRequest) (*parserv1.GetAccountResponse, error) {
	a, err := s.accounts.Account(ctx, account.ID(in.GetAccountId()), s.now())
	if err != nil {
		return nil, accountStatus(err)
	}
	return &parserv1.GetAccountResponse{Account: fromAccount(a, s.now())}, nil
}

// LogoutAccount ends an account's session. One that is not there is logged out already.
func (s *AccountServer) LogoutAccount(ctx context.Context, in *parserv1.LogoutAccountRequest) (*parserv1.LogoutAccountResponse, error) {
	if in.GetAccountId() <= 0 {
		return nil, kitrpc.InvalidField("account_id", "must be an account's id")
	}
	if err := s.logins.Logout(ctx, account.ID(in.GetAccountId())); err != nil && !errors.Is(err, account.ErrUnknown) {
		return nil, accountStatus(err)
	}
	return &parserv1.LogoutAccountResponse{}, nil
}
