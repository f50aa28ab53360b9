// Package wire is the server's side of MTProto: it accepts TCP connections of any transport, exchanges keys, decrypts, unpacks containers,
// answers the protocol's own messages and hands everything else to a Handler. It knows nothing of what the methods mean.
//
// An authorization key outlives connections, and so does a session. Each request runs in its own goroutine, so a slow one holds up
// nobody; only the writing of answers, with the numbering of messages, is one after another per connection.
package wire

import (
	"context"
	"crypto/rsa"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/clock"
	"github.com/gotd/td/crypto"
	"github.com/gotd/td/exchange"
	"github.com/gotd/td/proto"
)

// ErrDrop from a Handler cuts the connection instead of answering.
var ErrDrop = errors.New("connection cut on demand")

// Handler answers requests: it appends the TL of the result to out. A *tgerr.Error becomes an rpc_error.
type Handler interface {
	Handle(ctx context.Context, s *Session, in, out *bin.Buffer) error
}

// Options are what a Server is made of.
type Options struct {
	DC      int             // the datacenter's number, as clients name it in the key exchange
	Key     *rsa.PrivateKey // the server's identity
	Keys    *Keys           // the authorization keys known from earlier; nil is none
	Handler Handler
	Log     *slog.Logger
	Now     func() time.Time
}

// Server is a datacenter's front.
type Server struct {
	o      Options
	keys   *Keys
	ids    *proto.MessageIDGen
	cipher crypto.Cipher
	conns  sync.WaitGroup

	mu       sync.Mutex
	sessions map[sessionKey]*Session
}

// New makes a Server.
func New(o Options) *Server {
	if o.Keys == nil {
		o.Keys = NewKeys()
	}
	return &Server{o: o, keys: o.Keys, ids: proto.NewMessageIDGen(o.Now), cipher: crypto.NewServerCipher(crypto.DefaultRand()),
		sessions: map[sessionKey]*Session{}}
}

// Serve accepts connections until ctx ends, then cuts them all and waits for them.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer s.conns.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	for {
		nc, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil: // out of descriptors, for instance: the next accept may do better
			s.o.Log.Warn("accept", "err", err)
			select {
			case <-time.After(10 * time.Millisecond):
			case <-ctx.Done():
			}
			continue
		}
		s.conns.Go(func() { s.serve(ctx, nc) })
	}
}

func (s *Server) serve(ctx context.Context, nc net.Conn) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer func() { _ = nc.Close() }()
	context.AfterFunc(ctx, func() { _ = nc.Close() })
	c, err := accept(nc, s.o.Now)
	if err == nil {
		err = s.read(ctx, c)
		c.release(s.o.Now())
	}
	s.o.Log.Debug("connection closed", "peer", nc.RemoteAddr(), "err", err)
}

// read takes frames off the connection: those under no key are an exchange, the others messages.
func (s *Server) read(ctx context.Context, c *conn) error {
	var b bin.Buffer
	for {
		if err := c.Recv(ctx, &b); err != nil {
			return err
		}
		var id [8]byte
		if err := b.PeekN(id[:], len(id)); err != nil {
			return err
		}
		if id == ([8]byte{}) {
			frame, err := s.exchange(ctx, c, b.Copy())
			if err != nil {
				return err
			}
			if frame == nil {
				continue
			}
			b.ResetTo(frame)
		}
		if err := s.receive(ctx, c, &b); err != nil {
			return err
		}
	}
}

// exchange makes a new key. If the client goes on under an old one in the middle of it, that frame is given back.
func (s *Server) exchange(ctx context.Context, c *conn, first []byte) ([]byte, error) {
	c.pending = first
	r, err := exchange.NewExchanger(c, s.o.DC).WithClock(clockOf{clock.System, s.o.Now}).
		Server(exchange.PrivateKey{RSA: s.o.Key}).Run(ctx)
	if old, ok := errors.AsType[*exchange.UnexpectedEncryptedError](err); ok {
		return old.Frame, nil
	}
	if refused, ok := errors.AsType[*exchange.ServerExchangeError](err); ok {
		return nil, errors.Join(err, c.fail(ctx, refused.Code))
	}
	if err != nil {
		return nil, err
	}
	s.keys.add(&Key{AuthKey: r.Key, Salt: r.ServerSalt})
	return nil, nil
}

// clockOf tells our time and leaves timers to the system.
type clockOf struct {
	clock.Clock
	now func() time.Time
}

func (c clockOf) Now() time.Time { return c.now() }
