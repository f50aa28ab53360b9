package telegram

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/gotd/td/bin"
	td "github.com/gotd/td/telegram"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"github.com/tidemark/tidemark/services/parser/internal/account"
	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	rpc := func(code int, message string) error { return fmt.Errorf("wrapped: %w", tgerr.New(code, message)) }
	for name, tc := range map[string]struct {
		ctx  context.Context
		err  error
		want verdict // its err only by errors.Is
	}{
		"fine":                 {nil, nil, verdict{outcome: "ok"}},
		"flood":                {nil, rpc(420, "FLOOD_WAIT_42"), verdict{outcome: "flood", flood: 42 * time.Second}},
		"flood of nothing":     {nil, rpc(420, "FLOOD_WAIT_0"), verdict{outcome: "flood", flood: time.Second}},
		"premium flood":        {nil, rpc(420, "FLOOD_PREMIUM_WAIT_5"), verdict{outcome: "flood", flood: 5 * time.Second}},
		"slow mode":            {nil, rpc(420, "SLOWMODE_WAIT_7"), verdict{outcome: "flood", flood: 7 * time.Second}},
		"frozen, with 420":     {nil, rpc(420, "FROZEN_METHOD_INVALID"), verdict{outcome: "session", state: account.Frozen, err: ingest.ErrFrozen}},
		"frozen, with 400":     {nil, rpc(400, "FROZEN_PARTICIPANT_MISSING"), verdict{outcome: "session", state: account.Frozen, err: ingest.ErrFrozen}},
		"session unknown":      {nil, rpc(401, "AUTH_KEY_UNREGISTERED"), verdict{outcome: "session", state: account.Revoked, err: ingest.ErrSession}},
		"session duplicated":   {nil, rpc(406, "AUTH_KEY_DUPLICATED"), verdict{outcome: "session", state: account.Revoked, err: ingest.ErrSession}},
		"any 401":              {nil, rpc(401, "SOMETHING_NEW"), verdict{outcome: "session", state: account.Revoked, err: ingest.ErrSession}},
		"banned":               {nil, rpc(401, "USER_DEACTIVATED_BAN"), verdict{outcome: "session", state: account.Banned, err: ingest.ErrBanned}},
		"private":              {nil, rpc(400, "CHANNEL_PRIVATE"), verdict{outcome: "private", err: ingest.ErrPrivate}},
		"private, with 406":    {nil, rpc(406, "CHANNEL_PRIVATE"), verdict{outcome: "private", err: ingest.ErrPrivate}},
		"no such name":         {nil, rpc(400, "USERNAME_NOT_OCCUPIED"), verdict{outcome: "unknown", err: ingest.ErrUnknown}},
		"stale hash":           {nil, rpc(400, "CHANNEL_INVALID"), verdict{outcome: "stale", err: errStale}},
		"timed out there":      {nil, rpc(-503, "Timeout"), verdict{outcome: "transient", again: true, err: ingest.ErrUnreachable}},
		"call failed there":    {nil, rpc(500, "RPC_CALL_FAIL"), verdict{outcome: "transient", again: true, err: ingest.ErrUnreachable}},
		"worker busy":          {nil, rpc(500, "WORKER_BUSY_TOO_LONG_RETRY"), verdict{outcome: "transient", again: true, err: ingest.ErrUnreachable}},
		"no workers":           {nil, rpc(500, "No workers running"), verdict{outcome: "transient", again: true, err: ingest.ErrUnreachable}},
		"outdated":             {nil, rpc(500, "PERSISTENT_TIMESTAMP_OUTDATED"), verdict{outcome: "transient", again: true, err: ingest.ErrUnreachable}},
		"refused":              {nil, rpc(400, "LIMIT_INVALID"), verdict{outcome: "refused"}},
		"connection died":      {nil, fmt.Errorf("engine closed: %w", context.Canceled), verdict{outcome: "transient", again: true, err: ingest.ErrUnreachable}},
		"asked no longer":      {gone, context.Canceled, verdict{outcome: "canceled", err: context.Canceled}},
		"no answer in time":    {late, context.DeadlineExceeded, verdict{outcome: "unreachable", err: ingest.ErrUnreachable}},
		"no answer in call's":  {nil, context.DeadlineExceeded, verdict{outcome: "unreachable", err: ingest.ErrUnreachable}},
		"method is not for us": {nil, &ForbiddenError{"messages.sendMessage"}, verdict{outcome: "forbidden"}},
	} {
		ctx := tc.ctx
		if ctx == nil {
			ctx = t.Context()
		}
		got := judge(ctx, tc.err)
		if tc.want.err != nil && !errors.Is(got.err, tc.want.err) || tc.err != nil && got.err == nil {
			t.Errorf("%s: got error %v, want %v", name, got.err, tc.want.err)
		}
		tc.want.err, got.err = nil, nil
		if got != tc.want {
			t.Errorf("%s: got %+v, want %+v", name, got, tc.want)
		}
	}
}

func TestOnlyReadingLeavesTheProcess(t *testing.T) {
	t.Parallel()
	var left []string
	client := tg.NewClient(td.MiddlewareFunc(onlyAllowed).Handle(td.InvokeFunc(func(_ context.Context, in bin.Encoder, _ bin.Decoder) error {
		left = append(left, in.(request).TypeName())
		return errors.New("not sent")
	})))
	for name, call := range map[string]func() error{
		"messages.sendMessage": func() error {
			_, err := client.MessagesSendMessage(t.Context(), &tg.MessagesSendMessageRequest{Peer: &tg.InputPeerSelf{}, Message: "hi"})
			return err
		},
		"channels.joinChannel": func() error {
			_, err := client.ChannelsJoinChannel(t.Context(), &tg.InputChannel{})
			return err
		},
		"messages.deleteMessages": func() error {
			_, err := client.MessagesDeleteMessages(t.Context(), &tg.MessagesDeleteMessagesRequest{})
			return err
		},
		"auth.signUp": func() error {
			_, err := client.AuthSignUp(t.Context(), &tg.AuthSignUpRequest{})
			return err
		},
		"messages.getMessagesViews": func() error { // can raise counters
			_, err := client.MessagesGetMessagesViews(t.Context(), &tg.MessagesGetMessagesViewsRequest{Peer: &tg.InputPeerSelf{}})
			return err
		},
		"invokeWithLayer": func() error {
			return client.Invoker().Invoke(t.Context(), &tg.InvokeWithLayerRequest{Query: &tg.MessagesSendMessageRequest{}}, nil)
		},
	} {
		var forbidden *ForbiddenError
		if err := call(); !errors.As(err, &forbidden) || forbidden.Method != name {
			t.Errorf("%s: got %v, want it refused", name, err)
		}
	}
	if len(left) > 0 {
		t.Errorf("%v left the process", left)
	}
}

// TestTheAllowListIsThis makes a change of the list a change of this test too: look twice.
func TestTheAllowListIsThis(t *testing.T) {
	t.Parallel()
	want := map[string]bool{
		"help.getConfig": true, "contacts.resolveUsername": true, "messages.getDialogs": true, "messages.getPeerDialogs": true, "messages.getHistory": true,
		"auth.sendCode": true, "auth.signIn": true, "account.getPassword": true, "auth.checkPassword": true, "auth.logOut": true,
	}
	found := 0
	for name, id := range tg.NamesMap() {
		if allowed(id) != want[name] {
			t.Errorf("%s: allowed is %v, want %v", name, allowed(id), want[name])
		}
		if want[name] {
			found++
		}
	}
	if found != len(want) {
		t.Errorf("found %d of the %d methods in TL", found, len(want))
	}
}
