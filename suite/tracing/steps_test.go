package tracing

import (
	"errors"
	"io"
	"time"

	"github.com/redis/go-redis/v9"
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

// follow adds the channel, and waits until its history was read, there was nothing left to read, and all of it was published.
func (h *house) follow() (channel int64) {
	h.Helper()
	added, err := h.channels.AddChannel(h.Context(), &schedulerv1.AddChannelRequest{Ref: "@" + h.world.Summaries()[0].Username})
	if err != nil {
		h.Fatal(err)
	}
	channel = added.GetChannel().GetChannel().GetId()
	h.until("the channel is read", func() bool {
		got, err := h.channels.GetChannel(h.Context(), &schedulerv1.GetChannelRequest{ChannelId: channel})
		return err == nil && got.GetChannel().GetState() == schedulerv1.ChannelState_CHANNEL_STATE_IDLE
	})
	h.published()
	return channel
}

// published waits until the stream has an event of every post.
func (h *house) published() {
	h.Helper()
	truth, err := h.world.Truth(h.world.Summaries()[0].Username)
	if err != nil {
		h.Fatal(err)
	}
	options, err := redis.ParseURL(h.redis.Reveal())
	if err != nil {
		h.Fatal(err)
	}
	client := redis.NewClient(options)
	defer func() { _ = client.Close() }()
	h.until("all is published", func() bool { return client.XLen(h.Context(), "tidemark:posts").Val() >= int64(len(truth.Posts)) })
}

func (h *house) until(what string, is func() bool) {
	h.Helper()
	deadline, ticker := time.After(patience), time.NewTicker(50*time.Millisecond)
	defer ticker.Stop()
	for !is() {
		select {
		case <-deadline:
			h.Fatalf("waited in vain: %s", what)
		case <-ticker.C:
		}
	}
}
