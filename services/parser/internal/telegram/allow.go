package telegram

import (
	"context"
	"fmt"

	"github.com/gotd/td/bin"
	td "github.com/gotd/td/telegram"
	"github.com/gotd/td/tg"
)

// allowed is every MTProto method that may leave this process: what reads, and what a login needs. Tidemark cannot write to Telegram.
//
// The list is held against what gotd's client is asked to invoke. Below it, gotd wraps each request in invokeWithLayer (its own layer) and
// invokeWithoutUpdates, opens each connection with initConnection around help.getConfig, and speaks the transport's own methods (key exchange,
// pings, acknowledgements, future salts, rpc_drop_answer). Wrappers are not on the list, so nothing can be smuggled inside one.
func allowed(method uint32) bool {
	switch method {
	case tg.HelpGetConfigRequestTypeID,
		tg.ContactsResolveUsernameRequestTypeID,
		tg.MessagesGetDialogsRequestTypeID,
		tg.MessagesGetPeerDialogsRequestTypeID,
		tg.MessagesGetHistoryRequestTypeID,
		tg.AuthSendCodeRequestTypeID,
		tg.AuthSignInRequestTypeID,
		tg.AccountGetPasswordRequestTypeID,
		tg.AuthCheckPasswordRequestTypeID,
		tg.AuthLogOutRequestTypeID:
		return true
	}
	return false
}

// ForbiddenError is a method that is not on the allow-list.
type ForbiddenError struct{ Method string }

// Error names the method.
func (e *ForbiddenError) Error() string {
	return fmt.Sprintf("%s is not on the list of methods that may be sent to Telegram", e.Method)
}

// onlyAllowed refuses every method that is not on the list, before anything is sent.
func onlyAllowed(next tg.Invoker) td.InvokeFunc {
	return func(ctx context.Context, input bin.Encoder, output bin.Decoder) error {
		typed, ok := input.(interface {
			TypeID() uint32
			TypeName() string
		})
		if !ok {
			return &ForbiddenError{Method: fmt.Sprintf("%T", input)}
		}
		if !allowed(typed.TypeID()) {
			return &ForbiddenError{Method: typed.TypeName()}
		}
		return next.Invoke(ctx, input, output)
	}
}
