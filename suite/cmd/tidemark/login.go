package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
	"google.golang.org/grpc"

	parserv1 "github.com/tidemark/tidemark/gen/tidemark/parser/v1"
	"github.com/tidemark/tidemark/kit/env"
	"github.com/tidemark/tidemark/kit/run"
)

type loginCmd struct {
	remote
	Phone    string     `help:"Phone of the account, in international form." required:"" placeholder:"+NUMBER"`
	Code     env.Secret `help:"The code that Telegram sends; asked for when not given."`
	Password env.Secret `help:"The account's second factor; asked for when needed and not given."`
}

// Run logs an account in.
func (c *loginCmd) Run(ctx context.Context, out io.Writer) error {
	return c.with(func(conn grpc.ClientConnInterface) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		accounts := parserv1.NewAccountServiceClient(conn)
		stream, err := accounts.StartLogin(ctx, &parserv1.StartLoginRequest{Method: &parserv1.StartLoginRequest_Phone{Phone: c.Phone}})
		if err != nil {
			return err
		}
		for {
			state, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				return errors.New("the login ended without an answer: try again")
			} else if err != nil {
				return err
			}
			done, err := c.step(ctx, accounts, state, out)
			if done || err != nil {
				return err
			}
		}
	})
}

// step answers what a login asks for.
func (c *loginCmd) step(ctx context.Context, accounts parserv1.AccountServiceClient, s *parserv1.StartLoginResponse, out io.Writer) (done bool, err error) {
	switch s.GetState() {
	case parserv1.LoginState_LOGIN_STATE_CODE_NEEDED:
		return false, c.answer(out, c.Code, "code", func(code string) error {
			_, err := accounts.SubmitCode(ctx, &parserv1.SubmitCodeRequest{LoginId: s.GetLoginId(), Code: code})
			return err
		})
	case parserv1.LoginState_LOGIN_STATE_PASSWORD_NEEDED:
		return false, c.answer(out, c.Password, "password", func(password string) error {
			_, err := accounts.SubmitPassword(ctx, &parserv1.SubmitPasswordRequest{LoginId: s.GetLoginId(), Password: password})
			return err
		})
	case parserv1.LoginState_LOGIN_STATE_DONE:
		_, _ = fmt.Fprintf(out, "logged in as account %d %s; next: tidemark channel add @NAME\n", s.GetAccount().GetId(), handle(s.GetAccount().GetUsername()))
		return true, nil
	}
	return false, nil
}

// answer submits the given value, or asks for one as long as it is wrong and there is somebody to ask.
func (c *loginCmd) answer(out io.Writer, given env.Secret, what string, submit func(string) error) error {
	if given != "" {
		return submit(given.Reveal())
	}
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return run.Usage(fmt.Errorf("the account needs a %s: give it with --%s, or run this in a terminal", what, what))
	}
	for {
		value, err := ask(out, what)
		if err != nil {
			return err
		}
		err = submit(value)
		if err == nil || !isInvalid(err) {
			return err
		}
		_, _ = fmt.Fprintln(out, run.Line(err))
	}
}

func ask(out io.Writer, what string) (string, error) {
	_, _ = fmt.Fprintf(out, "%s: ", what)
	if what == "password" {
		value, err := term.ReadPassword(int(os.Stdin.Fd()))
		_, _ = fmt.Fprintln(out)
		return string(value), err
	}
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	return strings.TrimSpace(line), err
}
