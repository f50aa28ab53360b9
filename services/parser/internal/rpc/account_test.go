package rpc_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	parserv1 "github.com/tidemark/tidemark/gen/tidemark/parser/v1"
	kitrpc "github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/services/parser/internal/account"
	"github.com/tidemark/tidemark/services/parser/internal/account/accounttest"
	"github.com/tidemark/tidemark/services/parser/internal/ingest"
	"github.com/tidemark/tidemark/services/parser/internal/rpc"
)

var accountNow = time.Date(2026, 4, 5, 6, 7, 8, 0, time.UTC)

// logins answers as it is told.
type logins struct {
	steps []account.LoginStep
	state account.LoginState
	err   error
}

func (l *logins) StartLogin(_ context.Context, _ string, report func(account.LoginStep) error) error {
	for _, s := range l.steps {
		if err := report(s); err != nil {
			return err
		}
	}
	return l.err
}

func (l *logins) SubmitCode(context.Context, string, string) (account.LoginState, error) {
	return l.state, l.err
}

func (l *logins) SubmitPassword(context.Context, string, string) (account.LoginState, error) {
	return l.state, l.err
}

func (l *logins) Logout(context.Context, account.ID) error { return l.err }

// accountClient talks to an AccountServer over gRPC, through the interceptors that all services use.
func accountClient(t *testing.T, l *logins, store *accounttest.Store) parserv1.AccountServiceClient {
	t.Helper()
	srv := kitrpc.NewServer(kitrpc.ServerOptions{Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry()})
	parserv1.RegisterAccountServiceServer(srv, rpc.NewAccountServer(l, store, func() time.Time { return accountNow }))
	loop := kitrpc.NewLoopback()
	go func() { _ = srv.Serve(loop.Listener()) }()
	t.Cleanup(srv.Stop)
	conn, err := loop.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return parserv1.NewAccountServiceClient(conn)
}

func keep(t *testing.T, store *accounttest.Store, ids ...account.ID) {
	t.Helper()
	for _, id := range ids {
		a := account.Account{ID: id, Username: "reader", MaskedPhone: "+*********42", CreatedAt: accountNow}
		if _, err := store.Adopt(t.Context(), a, []byte("session"), "test"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStartLoginStreamsItsSteps(t *testing.T) {
	t.Parallel()
	store := accounttest.NewStore()
	keep(t, store, 7)
	client := accountClient(t, &logins{steps: []account.LoginStep{
		{Login: "l", State: account.CodeNeeded}, {Login: "l", State: account.PasswordNeeded}, {Login: "l", State: account.LoggedIn, Account: 7},
	}}, store)
	stream, err := client.StartLogin(t.Context(), &parserv1.StartLoginRequest{Method: &parserv1.StartLoginRequest_Phone{Phone: "+10000000042"}})
	if err != nil {
		t.Fatal(err)
	}
	var got []*parserv1.StartLoginResponse
	for {
		in, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, in)
	}
	want := []*parserv1.StartLoginResponse{
		{LoginId: "l", State: parserv1.LoginState_LOGIN_STATE_CODE_NEEDED}, {LoginId: "l", State: parserv1.LoginState_LOGIN_STATE_PASSWORD_NEEDED},
		{LoginId: "l", State: parserv1.LoginState_LOGIN_STATE_DONE, Account: &parserv1.Account{
			Id: 7, Username: "reader", MaskedPhone: "+*********42", State: parserv1.AccountState_ACCOUNT_STATE_ACTIVE, LoggedInAt: timestamppb.New(accountNow),
		}},
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

func TestAccountErrorsOnTheWire(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err    error
		code   codes.Code
		reason string
		field  string
		retry  time.Duration
	}{
		"wrong code":      {account.ErrCode, codes.InvalidArgument, "PHONE_CODE_INVALID", "code", 0},
		"stale code":      {account.ErrCodeStale, codes.FailedPrecondition, "PHONE_CODE_EXPIRED", "", 0},
		"wrong password":  {account.ErrPassword, codes.InvalidArgument, "PASSWORD_HASH_INVALID", "password", 0},
		"wrong phone":     {account.ErrPhone, codes.InvalidArgument, "PHONE_NUMBER_INVALID", "phone", 0},
		"no such login":   {account.ErrNoLogin, codes.NotFound, "LOGIN_NOT_FOUND", "", 0},
		"out of order":    {account.ErrOrder, codes.FailedPrecondition, "LOGIN_ORDER", "", 0},
		"sign up":         {account.ErrSignUp, codes.FailedPrecondition, "SIGN_UP_NEEDED", "", 0},
		"application":     {account.ErrAPIID, codes.FailedPrecondition, "API_ID_INVALID", "", 0},
		"abandoned":       {account.ErrAbandoned, codes.FailedPrecondition, "LOGIN_ABANDONED", "", 0},
		"flood":           {&account.FloodError{Method: "auth.sendCode", Wait: time.Hour}, codes.ResourceExhausted, "FLOOD_WAIT", "", time.Hour},
		"flood elsewhere": {&ingest.FloodError{Method: "auth.logOut", Wait: time.Minute}, codes.ResourceExhausted, "FLOOD_WAIT", "", time.Minute},
		"wrong key file":  {&account.ServerKeyError{Address: "h:1", File: "f"}, codes.FailedPrecondition, "TELEGRAM_KEY_UNKNOWN", "", 0},
		"unreachable":     {&account.UnreachableError{Address: "h:1", Reason: "refused"}, codes.Unavailable, "TELEGRAM_UNREACHABLE", "", 0},
		"no answer":       {ingest.ErrUnreachable, codes.Unavailable, "TELEGRAM_UNREACHABLE", "", 0},
		"store down":      {ingest.ErrStoreDown, codes.Unavailable, "STORE_UNREACHABLE", "", 0},
		"leased":          {account.ErrLeased, codes.FailedPrecondition, "ACCOUNT_ELSEWHERE", "", 0},
		"unknown":         {errors.New("secret"), codes.Internal, "", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := accountClient(t, &logins{err: tc.err}, accounttest.NewStore())
			_, err := client.SubmitCode(t.Context(), &parserv1.SubmitCodeRequest{LoginId: "l", Code: "1"})
			retry, _ := kitrpc.RetryAfter(err)
			if status.Code(err) != tc.code || tc.reason != "" && kitrpc.Reason(err) != tc.reason || kitrpc.Field(err) != tc.field || retry != tc.retry {
				t.Errorf("got %v, reason %q, field %q, retry %v", err, kitrpc.Reason(err), kitrpc.Field(err), retry)
			}
		})
	}
}

func TestListAccountsPages(t *testing.T) {
	t.Parallel()
	store := accounttest.NewStore()
	keep(t, store, 3, 1, 2)
	client := accountClient(t, &logins{}, store)
	var got []int64
	for token := ""; ; {
		page, err := client.ListAccounts(t.Context(), &parserv1.ListAccountsRequest{PageSize: 2, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range page.GetAccounts() {
			got = append(got, a.GetId())
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	if diff := cmp.Diff([]int64{1, 2, 3}, got); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
	for field, in := range map[string]*parserv1.ListAccountsRequest{
		"page_size": {PageSize: -1}, "page_token": {PageToken: "!"},
	} {
		if _, err := client.ListAccounts(t.Context(), in); status.Code(err) != codes.InvalidArgument || kitrpc.Field(err) != field {
			t.Errorf("got %v, want INVALID_ARGUMENT naming %s", err, field)
		}
	}
}

func TestGetAccountShowsLongWaits(t *testing.T) {
	t.Parallel()
	store := accounttest.NewStore()
	keep(t, store, 7)
	flood := account.Flood{Account: 7, Method: "messages.getHistory", Since: accountNow, Until: accountNow.Add(time.Hour)}
	if err := store.SaveFlood(t.Context(), flood); err != nil {
		t.Fatal(err)
	}
	client := accountClient(t, &logins{}, store)
	got, err := client.GetAccount(t.Context(), &parserv1.GetAccountRequest{AccountId: 7})
	if err != nil {
		t.Fatal(err)
	}
	until := timestamppb.New(flood.Until)
	want := &parserv1.Account{
		Id: 7, Username: "reader", MaskedPhone: "+*********42", State: parserv1.AccountState_ACCOUNT_STATE_FLOODED, BlockedUntil: until,
		Floods: []*parserv1.Flood{{Method: flood.Method, BlockedUntil: until}}, LoggedInAt: timestamppb.New(accountNow),
	}
	if diff := cmp.Diff(want, got.GetAccount(), protocmp.Transform()); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
	if _, err := client.GetAccount(t.Context(), &parserv1.GetAccountRequest{AccountId: 8}); status.Code(err) != codes.NotFound || kitrpc.Reason(err) != "ACCOUNT_NOT_FOUND" {
		t.Errorf("got %v, want NOT_FOUND", err)
	}
}

func TestMissingFieldsAreNamed(t *testing.T) {
	t.Parallel()
	client := accountClient(t, &logins{}, accounttest.NewStore())
	stream, err := client.StartLogin(t.Context(), &parserv1.StartLoginRequest{})
	if err == nil {
		_, err = stream.Recv()
	}
	_, code := client.SubmitCode(t.Context(), &parserv1.SubmitCodeRequest{LoginId: "l"})
	_, password := client.SubmitPassword(t.Context(), &parserv1.SubmitPasswordRequest{LoginId: "l"})
	_, id := client.LogoutAccount(t.Context(), &parserv1.LogoutAccountRequest{})
	for field, err := range map[string]error{"phone": err, "code": code, "password": password, "account_id": id} {
		if status.Code(err) != codes.InvalidArgument || kitrpc.Field(err) != field {
			t.Errorf("got %v, want INVALID_ARGUMENT naming %s", err, field)
		}
	}
}

func TestLogoutTwice(t *testing.T) {
	t.Parallel()
	client := accountClient(t, &logins{err: account.ErrUnknown}, accounttest.NewStore())
	if _, err := client.LogoutAccount(t.Context(), &parserv1.LogoutAccountRequest{AccountId: 7}); err != nil {
		t.Errorf("got %v, want it to be done already", err)
	}
}
