package tgsim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"github.com/tidemark/tidemark/services/parser/tgsim/fault"
	"github.com/tidemark/tidemark/services/parser/tgsim/internal/wire"
	"github.com/tidemark/tidemark/services/parser/tgsim/world"
)

// settle is how long an old connection may take to be seen as gone before it counts as a second one.
const settle = 200 * time.Millisecond

// call is one request being answered.
type call struct {
	*Server
	ctx     context.Context
	session *wire.Session
	account int64 // who is logged in; 0 is nobody
	channel int64 // which channel it is about, once known
	method  string
	connect bool
	in, out *bin.Buffer
}

// method is how a call is answered.
type method struct {
	name    string
	run     func(*call) error
	open    bool // to those who are not logged in
	connect bool // part of connecting or logging in: spared by faults that name no method
}

var methods = map[uint32]method{
	tg.HelpGetConfigRequestTypeID:               {"help.getConfig", (*call).config, true, true},
	tg.HelpGetNearestDCRequestTypeID:            {"help.getNearestDc", (*call).nearestDC, true, true},
	tg.HelpGetAppConfigRequestTypeID:            {"help.getAppConfig", (*call).appConfig, true, true},
	tg.AuthSendCodeRequestTypeID:                {"auth.sendCode", (*call).sendCode, true, true},
	tg.AuthSignInRequestTypeID:                  {"auth.signIn", (*call).signIn, true, true},
	tg.AuthLogOutRequestTypeID:                  {"auth.logOut", (*call).logOut, false, true},
	tg.AuthExportLoginTokenRequestTypeID:        {"auth.exportLoginToken", (*call).exportLoginToken, true, true},
	tg.AuthBindTempAuthKeyRequestTypeID:         {"auth.bindTempAuthKey", (*call).bindTempAuthKey, true, true},
	tg.AccountGetPasswordRequestTypeID:          {"account.getPassword", (*call).getPassword, true, true},
	tg.AuthCheckPasswordRequestTypeID:           {"auth.checkPassword", (*call).checkPassword, true, true},
	tg.UsersGetUsersRequestTypeID:               {"users.getUsers", (*call).getUsers, false, true},
	tg.UsersGetFullUserRequestTypeID:            {"users.getFullUser", (*call).getFullUser, false, true},
	tg.UpdatesGetStateRequestTypeID:             {"updates.getState", (*call).getState, false, true},
	tg.UpdatesGetDifferenceRequestTypeID:        {"updates.getDifference", (*call).getDifference, false, true},
	tg.UpdatesGetChannelDifferenceRequestTypeID: {"updates.getChannelDifference", (*call).getChannelDifference, false, false},
	tg.ContactsResolveUsernameRequestTypeID:     {"contacts.resolveUsername", (*call).resolveUsername, false, false},
	tg.ChannelsGetChannelsRequestTypeID:         {"channels.getChannels", (*call).getChannels, false, false},
	tg.ChannelsGetFullChannelRequestTypeID:      {"channels.getFullChannel", (*call).getFullChannel, false, false},
	tg.ChannelsGetMessagesRequestTypeID:         {"channels.getMessages", (*call).getMessages, false, false},
	tg.MessagesGetHistoryRequestTypeID:          {"messages.getHistory", (*call).getHistory, false, false},
	tg.MessagesGetPeerDialogsRequestTypeID:      {"messages.getPeerDialogs", (*call).getPeerDialogs, false, false},
	tg.MessagesGetDialogsRequestTypeID:          {"messages.getDialogs", (*call).getDialogs, false, false},
	tg.MessagesGetMessagesViewsRequestTypeID:    {"messages.getMessagesViews", (*call).getMessagesViews, false, false},
}

// Handle answers one request.
func (s *Server) Handle(ctx context.Context, session *wire.Session, in, out *bin.Buffer) error {
	c := &call{Server: s, ctx: ctx, session: session, account: session.Key().User(), in: in, out: out}
	what, err := c.unwrap()
	if err != nil {
		return fmt.Errorf("unwrap: %w", err)
	}
	m, known := methods[what]
	if c.method, c.connect = m.name, m.connect; !known {
		c.method = fmt.Sprintf("#%08x", what)
	}
	at := s.o.Now()
	err = c.answer(m, known)
	s.log.add(Request{At: at, Method: c.method, Account: c.account, Channel: c.channel}, err)
	return err
}

func (c *call) answer(m method, known bool) error {
	switch {
	case !known:
		return tgerr.New(400, "METHOD_NOT_IMPLEMENTED")
	case c.account == 0 && !m.open:
		return tgerr.New(401, "AUTH_KEY_UNREGISTERED")
	}
	if err := c.duplicated(); err != nil {
		return err
	}
	if err := c.suffer(0); err != nil {
		return err
	}
	return inTheirWords(m.run(c))
}

// suffer lets a fault strike: of any channel when it is 0, else of that one.
func (c *call) suffer(channel int64) error {
	v := c.faults.Check(fault.Call{Method: c.method, Account: c.account, Channel: channel, Connect: c.connect, At: c.o.Now()})
	if v.Delay > 0 {
		select {
		case <-time.After(v.Delay):
		case <-c.ctx.Done():
			return c.ctx.Err()
		}
	}
	if v.Drop {
		return wire.ErrDrop
	}
	return v.Err
}

// about notes which channel the call is about, and lets that channel's faults strike.
func (c *call) about(channel int64) error {
	c.channel = channel
	if channel == 0 {
		return nil
	}
	return c.suffer(channel)
}

// duplicated revokes a key that speaks on two connections at once, where that is asked for.
func (c *call) duplicated() error {
	key := c.session.Key()
	if !c.faults.Duplicates() || c.account == 0 || key.Connections() < 2 {
		return nil
	}
	select {
	case <-time.After(settle):
	case <-c.ctx.Done():
	}
	if key.Connections() < 2 {
		return nil
	}
	if err := c.keys.Login(key, 0); err != nil {
		return err
	}
	return tgerr.New(406, "AUTH_KEY_DUPLICATED")
}

// inTheirWords puts the world's errors in Telegram's words.
func inTheirWords(err error) error {
	switch {
	case errors.Is(err, world.ErrPrivate):
		return tgerr.New(400, "CHANNEL_PRIVATE")
	case errors.Is(err, world.ErrUnknown):
		return tgerr.New(400, "CHANNEL_INVALID")
	case errors.Is(err, world.ErrPts):
		return tgerr.New(400, "PERSISTENT_TIMESTAMP_INVALID")
	}
	return err
}

// decode reads the call's arguments.
func (c *call) decode(r bin.Decoder) error {
	if err := r.Decode(c.in); err != nil {
		return tgerr.New(400, "INPUT_REQUEST_INVALID")
	}
	return nil
}

// rest takes whatever is left of a buffer: the query inside a wrapper.
type rest struct{ body []byte }

func (r *rest) Decode(b *bin.Buffer) error {
	r.body = b.Buf
	b.Buf = nil
	return nil
}

func (*rest) Encode(*bin.Buffer) error { return errors.New("only decodes") }

// unwrap takes invokeWithLayer and its like off, and answers the id of what is inside. A session asks for updates by calling anything
// outside invokeWithoutUpdates.
func (c *call) unwrap() (uint32, error) {
	quiet := false
	for {
		what, err := c.in.PeekID()
		if err != nil {
			return 0, err
		}
		var inner rest
		var wrapper bin.Decoder
		switch what {
		case tg.InvokeWithLayerRequestTypeID:
			wrapper = &tg.InvokeWithLayerRequest{Query: &inner}
		case tg.InitConnectionRequestTypeID:
			wrapper = &tg.InitConnectionRequest{Query: &inner}
		case tg.InvokeWithoutUpdatesRequestTypeID:
			wrapper, quiet = &tg.InvokeWithoutUpdatesRequest{Query: &inner}, true
		case tg.InvokeAfterMsgRequestTypeID:
			wrapper = &tg.InvokeAfterMsgRequest{Query: &inner}
		case tg.InvokeAfterMsgsRequestTypeID:
			wrapper = &tg.InvokeAfterMsgsRequest{Query: &inner}
		default:
			if !quiet {
				c.session.WantUpdates()
			}
			return what, nil
		}
		if err := wrapper.Decode(c.in); err != nil {
			return 0, err
		}
		c.in = &bin.Buffer{Buf: inner.body}
	}
}
