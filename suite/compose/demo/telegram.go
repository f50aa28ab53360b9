package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"google.golang.org/grpc"

	parserv1 "github.com/tidemark/tidemark/gen/tidemark/parser/v1"
	"github.com/tidemark/tidemark/kit/env"
	"github.com/tidemark/tidemark/kit/run"
)

// telegram is the simulated one, and the account in it.
type telegram struct {
	TelegramDCs string     `name:"telegram-dcs" help:"What the parser was told about where Telegram is."`
	Control     string     `help:"The simulator's control API." default:"http://127.0.0.1:9444"`
	Phone       env.Secret `help:"The account's phone." default:"+10000000000"`
	Code        env.Secret `help:"The account's login code." default:"12345"`
	Password    env.Secret `help:"The account's second-step password; empty is none." placeholder:"PASSWORD"`
}

// channel is one of the simulator's.
type channel struct {
	ID       int64  `json:"id"`
	Username string `json:"username"`
	Last     int64  `json:"last"`
}

// simulated is nil when the parser reads the simulator: a made-up phone must never reach the real Telegram.
func (t telegram) simulated() error {
	if !strings.Contains(t.TelegramDCs, "=tgsim:") {
		return run.Usage(errors.New("the parser reads the real Telegram: the demo needs a .env of its own, made by `scripts/env.sh demo`"))
	}
	return nil
}

func (t telegram) channels(ctx context.Context) ([]channel, error) {
	var all struct {
		Channels []channel `json:"channels"`
	}
	return all.Channels, t.control(ctx, http.MethodGet, "/truth", nil, &all)
}

func (t telegram) control(ctx context.Context, method, path string, body, into any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, t.Control+path, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask the simulator: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the simulator refuses %s: %s", path, answer.Status)
	}
	return json.NewDecoder(answer.Body).Decode(into)
}

// login logs the account in, unless one is.
func (t telegram) login(ctx context.Context, conn *grpc.ClientConn) error {
	accounts := parserv1.NewAccountServiceClient(conn)
	known, err := accounts.ListAccounts(ctx, &parserv1.ListAccountsRequest{})
	if err != nil || len(known.GetAccounts()) > 0 {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := accounts.StartLogin(ctx, &parserv1.StartLoginRequest{Method: &parserv1.StartLoginRequest_Phone{Phone: t.Phone.Reveal()}})
	if err != nil {
		return err
	}
	for {
		state, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return errors.New("the login ended early")
		case err != nil:
			return err
		case state.GetState() == parserv1.LoginState_LOGIN_STATE_DONE:
			return nil
		case state.GetState() == parserv1.LoginState_LOGIN_STATE_CODE_NEEDED:
			if _, err := accounts.SubmitCode(ctx, &parserv1.SubmitCodeRequest{LoginId: state.GetLoginId(), Code: t.Code.Reveal()}); err != nil {
				return err
			}
		case state.GetState() == parserv1.LoginState_LOGIN_STATE_PASSWORD_NEEDED:
			if _, err := accounts.SubmitPassword(ctx, &parserv1.SubmitPasswordRequest{LoginId: state.GetLoginId(), Password: t.Password.Reveal()}); err != nil {
				return err
			}
		}
	}
}

type live struct {
	telegram
	Every time.Duration `help:"How often; 0 is never." default:"5s"`
}

// Run posts until told to stop. A simulator that does not answer is asked again next time.
func (c *live) Run(ctx context.Context, out io.Writer) error {
	if err := c.simulated(); err != nil {
		return err
	}
	if c.Every <= 0 {
		_, _ = fmt.Fprintln(out, "nobody posts: DEMO_EVERY is 0")
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(c.Every)
	defer tick.Stop()
	for i := 0; ; i++ {
		if err := c.post(ctx, i); err != nil && ctx.Err() == nil {
			_, _ = fmt.Fprintln(out, run.Line(err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (c *live) post(ctx context.Context, i int) error {
	channels, err := c.channels(ctx)
	if err != nil || len(channels) == 0 {
		return err
	}
	var made struct{}
	return c.control(ctx, http.MethodPost, "/post", map[string]any{"channel": channels[i%min(3, len(channels))].Username}, &made)
}
