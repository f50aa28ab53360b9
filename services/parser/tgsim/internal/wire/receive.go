package wire

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/crypto"
	"github.com/gotd/td/mt"
	"github.com/gotd/td/proto"
	"github.com/gotd/td/proto/codec"
	"github.com/gotd/td/tgerr"
)

const (
	ackAfter    = 500 * time.Millisecond // a request that takes longer is acknowledged before it is answered
	badSalt     = 48
	maxNesting  = 4 // containers and gzip within each other
	internalErr = "INTERNAL"
)

// receive decrypts one frame and sees to every message in it.
func (s *Server) receive(ctx context.Context, c *conn, b *bin.Buffer) error {
	var frame crypto.EncryptedMessage
	if err := frame.DecodeWithoutCopy(b); err != nil {
		return fmt.Errorf("read frame: %w", err)
	}
	key := s.keys.Get(frame.AuthKeyID)
	if key == nil {
		return c.fail(ctx, codec.CodeAuthKeyNotFound)
	}
	m, err := s.cipher.Decrypt(key.AuthKey, &frame)
	if err != nil {
		return fmt.Errorf("decrypt: %w", err)
	}
	session, fresh := s.session(key, m.SessionID)
	if c.use(session) {
		s.conns.Go(func() { session.pump(ctx) })
	}
	if m.Salt != key.Salt {
		return session.tell(c, proto.MessageFromServer, &mt.BadServerSalt{
			BadMsgID: m.MessageID, BadMsgSeqno: int(m.SeqNo), ErrorCode: badSalt, NewServerSalt: key.Salt})
	}
	if fresh {
		if err := session.tell(c, proto.MessageFromServer, &mt.NewSessionCreated{
			FirstMsgID: m.MessageID, UniqueID: m.SessionID ^ m.MessageID, ServerSalt: key.Salt}); err != nil {
			return err
		}
	}
	return s.message(ctx, c, session, m.MessageID, m.Data(), 0)
}

// message sees to one message: one of the protocol's own, a package of messages, or a request.
func (s *Server) message(ctx context.Context, c *conn, session *Session, id int64, body []byte, depth int) error {
	b := &bin.Buffer{Buf: body}
	what, err := b.PeekID()
	if err != nil || depth > maxNesting {
		return errors.Join(err, errors.New("message too short or nested too deep"))
	}
	switch what {
	case proto.MessageContainerTypeID:
		var box proto.MessageContainer
		if err := box.Decode(b); err != nil {
			return fmt.Errorf("unpack container: %w", err)
		}
		for _, m := range box.Messages {
			if err := s.message(ctx, c, session, m.ID, m.Body, depth+1); err != nil {
				return err
			}
		}
		return nil
	case proto.GZIPTypeID:
		var packed proto.GZIP
		if err := packed.Decode(b); err != nil {
			return fmt.Errorf("unpack gzip: %w", err)
		}
		return s.message(ctx, c, session, id, packed.Data, depth+1)
	case mt.MsgsAckTypeID, mt.HTTPWaitRequestTypeID, mt.MsgsStateReqTypeID, mt.MsgResendReqTypeID, mt.MsgsAllInfoTypeID:
		return nil
	case mt.PingRequestTypeID, mt.PingDelayDisconnectRequestTypeID:
		return session.pong(c, id, b)
	case mt.GetFutureSaltsRequestTypeID:
		return session.tell(c, proto.MessageServerResponse, &mt.FutureSalts{ReqMsgID: id, Now: int(s.o.Now().Unix()),
			Salts: []mt.FutureSalt{{ValidSince: 1, ValidUntil: math.MaxInt32, Salt: session.key.Salt}}})
	}
	if session.take(c, id) {
		s.conns.Go(func() { s.answer(ctx, c, session, id, what, b) })
	}
	return nil
}

func (s *Session) pong(c *conn, id int64, b *bin.Buffer) error {
	what, _ := b.PeekID()
	var ping mt.PingRequest
	if what == mt.PingDelayDisconnectRequestTypeID {
		var delayed mt.PingDelayDisconnectRequest
		if err := delayed.Decode(b); err != nil {
			return err
		}
		ping.PingID, c.idle = delayed.PingID, time.Duration(delayed.DisconnectDelay)*time.Second
	} else if err := ping.Decode(b); err != nil {
		return err
	}
	return s.tell(c, proto.MessageServerResponse, &mt.Pong{MsgID: id, PingID: ping.PingID})
}

// answer runs one request and sends what came of it.
func (s *Server) answer(ctx context.Context, c *conn, session *Session, id int64, what uint32, in *bin.Buffer) {
	slow := time.AfterFunc(ackAfter, func() { _ = session.tell(c, proto.MessageFromServer, &mt.MsgsAck{MsgIDs: []int64{id}}) })
	defer slow.Stop()

	out := buffers.Get()
	defer buffers.Put(out)
	out.PutID(proto.ResultTypeID)
	out.PutLong(id)
	head := out.Len()
	err := s.handle(ctx, session, what, in, out)
	if errors.Is(err, ErrDrop) {
		_ = c.Close()
		return
	}
	if err != nil {
		out.Buf = out.Buf[:head]
		_ = rpcError(err).Encode(out)
	}
	if err := session.send(c, proto.MessageServerResponse, true, out.Buf); err != nil {
		s.o.Log.Debug("send answer", "err", err)
	}
}

func (s *Server) handle(ctx context.Context, session *Session, what uint32, in, out *bin.Buffer) error {
	switch what {
	case mt.RPCDropAnswerRequestTypeID:
		return (&mt.RPCAnswerUnknown{}).Encode(out)
	case mt.DestroySessionRequestTypeID:
		var r mt.DestroySessionRequest
		if err := r.Decode(in); err != nil {
			return err
		}
		return (&mt.DestroySessionOk{SessionID: r.SessionID}).Encode(out)
	}
	return s.o.Handler.Handle(ctx, session, in, out)
}

func rpcError(err error) *mt.RPCError {
	if e, ok := tgerr.As(err); ok {
		return &mt.RPCError{ErrorCode: e.Code, ErrorMessage: e.Message}
	}
	return &mt.RPCError{ErrorCode: 500, ErrorMessage: internalErr}
}

// pump writes the session's updates, in order, while a connection lasts; the newest connection gets them.
func (s *Session) pump(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case body := <-s.queue:
			s.mu.Lock()
			c := s.conn
			s.mu.Unlock()
			if c == nil {
				continue
			}
			if err := s.send(c, proto.MessageFromServer, true, body); err != nil {
				_ = c.Close()
			}
		}
	}
}
