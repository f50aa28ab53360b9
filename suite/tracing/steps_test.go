package tracing

import (
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"

	parserv1 "github.com/tidemark/tidemark/gen/tidemark/parser/v1"
	schedulerv1 "github.com/tidemark/tidemark/gen/tidemark/scheduler/v1"
)

func (h *house) login() {
	h.Helper()
	account := h.world.Accounts()[0]
	stream, err := h.accounts.StartLogin(h.Context(), &parserv1.StartLoginRequest{Method: &parserv1.StartLoginRequest_Phone{Phone: account.Phone}}, grpc.WaitForReady(true))
	if err != nil {
		h.Fatal(err)
	}
	for {
		state, err := stream.Recv()
		if errors.Is(err, io.EOF) || state.GetState() == parserv1.LoginState_LOGIN_STATE_DONE {
			return
		} else if err != nil {
			h.Fatalf("log in: %v", err)
		}
		if state.GetState() == parserv1.LoginState_LOGIN_STATE_CODE_NEEDED {
			if _, err := h.accounts.SubmitCode(h.Context(), &parserv1.SubmitCodeRequest{LoginId: state.GetLoginId(), Code: account.Code}); err != nil {
				h.Fatalf("submit the code: %v", err)
			}
		}
	}
}

// follow adds the channel, and waits until its history was read and there was nothing left to read.
func (h *house) follow() (channel int64) {
	h.Helper()
	added, err := h.channels.AddChannel(h.Context(), &schedulerv1.AddChannelRequest{Ref: "@" + h.world.Summaries()[0].Username})
	if err != nil {
		h.Fatal(err)
	}
	channel = added.GetChannel().GetChannel().GetId()
	deadline, ticker := time.After(patience), time.NewTicker(50*time.Millisecond)
	defer ticker.Stop()
	for {
		got, err := h.channels.GetChannel(h.Context(), &schedulerv1.GetChannelRequest{ChannelId: channel})
		if err == nil && got.GetChannel().GetState() == schedulerv1.ChannelState_CHANNEL_STATE_IDLE {
			return channel
		}
		select {
		case <-deadline:
			h.Fatalf("the channel is not read after %s: %v, %v", patience, got, err)
		case <-ticker.C:
		}
	}
}
