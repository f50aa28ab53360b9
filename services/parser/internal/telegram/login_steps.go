package telegram

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	td "github.com/gotd/td/telegram"
	"github.com/gotd/td/telegram/auth"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"github.com/tidemark/tidemark/services/parser/internal/account"
)

const methodSendCode = "auth.sendCode"

// run takes the login through its steps over an open connection.
func (l *login) run(ctx context.Context, client *td.Client) (*tg.User, *input, error) {
	sent, err := within(ctx, func(ctx context.Context) (tg.AuthSentCodeClass, error) {
		return client.Auth().SendCode(ctx, l.phone, auth.SendCodeOptions{})
	})
	l.pool.metrics.requests.WithLabelValues(methodSendCode, judge(ctx, err).outcome).Inc()
	if err != nil {
		return nil, nil, l.pool.serverError(err)
	}
	switch s := sent.(type) {
	case *tg.AuthSentCodeSuccess:
		user, err := userOf(s.Authorization)
		return user, nil, err
	case *tg.AuthSentCode:
		return l.signIn(ctx, client, s.PhoneCodeHash)
	}
	return nil, nil, fmt.Errorf("telegram wants %s before it sends a code, which only official apps can give", sent.TypeName())
}

// signIn waits for the code, and for the password when there is one, until one of the tries succeeds or makes another useless.
func (l *login) signIn(ctx context.Context, client *td.Client, hash string) (*tg.User, *input, error) {
	if err := l.await(account.CodeNeeded); err != nil {
		return nil, nil, err
	}
	for {
		select {
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		case in := <-l.inputs:
			if in.kind != l.wait {
				in.reply <- outcome{err: account.ErrOrder}
				continue
			}
			done, err := within(ctx, func(ctx context.Context) (*tg.AuthAuthorization, error) {
				if in.kind == account.PasswordNeeded {
					return client.Auth().Password(ctx, in.value)
				}
				return client.Auth().SignIn(ctx, l.phone, in.value, hash)
			})
			if err == nil {
				user, err := userOf(done)
				return user, &in, err
			}
			if err := l.tryAgain(ctx, in, err); err != nil {
				return nil, &in, err
			}
		}
	}
}

// tryAgain answers an input that did not log in. Its error ends the login, and is the answer then.
func (l *login) tryAgain(ctx context.Context, in input, err error) error {
	if errors.Is(err, auth.ErrPasswordAuthNeeded) {
		in.reply <- outcome{state: account.PasswordNeeded}
		return l.await(account.PasswordNeeded)
	}
	err = loginError(ctx, l.pool.serverError(err))
	var flood *account.FloodError
	if errors.Is(err, account.ErrCode) || errors.Is(err, account.ErrPassword) || errors.As(err, &flood) {
		in.reply <- outcome{err: err}
		return nil
	}
	return err
}

func (l *login) await(s account.LoginState) error {
	l.wait = s
	return l.report(account.LoginStep{Login: l.id, State: s})
}

// within bounds one step; it does not wait for gotd, whose calls can outlast their context.
func within[T any](ctx context.Context, step func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := step(ctx)
		done <- result{value, err}
	}()
	select {
	case got := <-done:
		return got.value, got.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

func userOf(a tg.AuthAuthorizationClass) (*tg.User, error) {
	if full, ok := a.(*tg.AuthAuthorization); ok {
		if user, ok := full.User.(*tg.User); ok {
			return user, nil
		}
	}
	return nil, account.ErrSignUp
}

// serverError names the server when it, not the account, is the trouble.
func (p *Pool) serverError(err error) error {
	if _, ok := tgerr.As(err); !ok && errors.Is(err, context.DeadlineExceeded) {
		return p.noServer(err)
	}
	return err
}

// tooOften stands for Telegram's refusals that name no time.
const tooOften = 24 * time.Hour

// loginError turns what went wrong with a login into one of account's errors.
func loginError(ctx context.Context, err error) error {
	var signUp *auth.SignUpRequired
	if errors.As(err, &signUp) {
		return account.ErrSignUp
	}
	if errors.Is(err, auth.ErrPasswordInvalid) {
		return account.ErrPassword
	}
	rpc, ok := tgerr.As(err)
	if !ok {
		return err
	}
	switch {
	case rpc.IsOneOf("PHONE_CODE_INVALID", "PHONE_CODE_EMPTY"):
		return account.ErrCode
	case rpc.IsOneOf("PHONE_CODE_EXPIRED", "PHONE_CODE_HASH_EMPTY"):
		return account.ErrCodeStale
	case rpc.IsOneOf("PASSWORD_HASH_INVALID", "SRP_ID_INVALID", "SRP_PASSWORD_CHANGED"):
		return account.ErrPassword
	case rpc.IsOneOf("PHONE_NUMBER_INVALID"):
		return account.ErrPhone
	case rpc.IsOneOf("PHONE_NUMBER_UNOCCUPIED"):
		return account.ErrSignUp
	case rpc.IsOneOf("API_ID_INVALID", "API_ID_PUBLISHED_FLOOD"):
		return account.ErrAPIID
	case rpc.IsOneOf("PHONE_NUMBER_FLOOD", "PHONE_PASSWORD_FLOOD", "PHONE_PASSWORD_PROTECTED"):
		return &account.FloodError{Method: methodSendCode, Wait: tooOften}
	}
	v := judge(ctx, err)
	if v.flood > 0 {
		return &account.FloodError{Method: methodSendCode, Wait: v.flood}
	}
	return v.err
}

// networkReason is what the operating system said, without addresses and wrappings.
func networkReason(err error) string {
	var op *net.OpError
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return "no such host"
	case errors.As(err, &op):
		return strings.TrimPrefix(op.Err.Error(), "connect: ")
	}
	return "no answer that makes sense to an MTProto client"
}

// normalPhone checks the shape of a phone, so that Telegram is not asked about a typing error.
func normalPhone(phone string) (string, error) {
	phone = strings.NewReplacer(" ", "", "-", "", "(", "", ")", "").Replace(phone)
	digits := strings.TrimPrefix(phone, "+")
	if len(digits) < 5 || len(digits) > 15 || strings.Trim(digits, "0123456789") != "" {
		return "", account.ErrPhone
	}
	return phone, nil
}
