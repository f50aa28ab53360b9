package wire_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gotd/td/bin"
	"github.com/gotd/td/crypto"
	"github.com/gotd/td/exchange"
	"github.com/gotd/td/mt"
	"github.com/gotd/td/proto"
	"github.com/gotd/td/proto/codec"
	"github.com/gotd/td/tgerr"
	"github.com/gotd/td/transport"

	"github.com/tidemark/tidemark/services/parser/tgsim/internal/wire"
)

// echo answers a request with itself, and counts how often it was asked.
type echo struct{ asked chan uint32 }

func (e echo) Handle(_ context.Context, s *wire.Session, in, out *bin.Buffer) error {
	id, err := in.PeekID()
	if err != nil {
		return err
	}
	e.asked <- id
	switch id {
	case 1:
		return tgerr.New(400, "NO_ONES")
	case 2:
		return errors.New("a secret")
	case 3:
		return wire.ErrDrop
	case 4:
		s.WantUpdates()
	}
	out.PutID(id)
	return nil
}

// client speaks MTProto frame by frame.
type client struct {
	t       *testing.T
	conn    transport.Conn
	cipher  crypto.Cipher
	key     crypto.AuthKey
	salt    int64
	session int64
	ids     *proto.MessageIDGen
	seq     int32
}

func start(t *testing.T) (*wire.Server, *wire.Keys, echo, string, *rsa.PrivateKey) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	h, keys := echo{make(chan uint32, 100)}, wire.NewKeys()
	s := wire.New(wire.Options{DC: 2, Key: key, Keys: keys, Handler: h, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context())) // it outlives the test's own context
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s, keys, h, l.Addr().String(), key
}

func dial(t *testing.T, addr string) *client {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	conn, err := transport.Intermediate.Handshake(nc)
	if err != nil {
		t.Fatal(err)
	}
	return &client{t: t, conn: conn, cipher: crypto.NewClientCipher(rand.Reader), session: 42, ids: proto.NewMessageIDGen(time.Now)}
}

func (c *client) exchange(key *rsa.PrivateKey) {
	c.t.Helper()
	r, err := exchange.NewExchanger(c.conn, 2).Client([]exchange.PublicKey{{RSA: &key.PublicKey}}).Run(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	c.key, c.salt = r.AuthKey, r.ServerSalt
}

// send sends one message and answers its id.
func (c *client) send(id int64, body []byte) int64 {
	c.t.Helper()
	if id == 0 {
		id = c.ids.New(proto.MessageFromClient)
	}
	var b bin.Buffer
	err := c.cipher.Encrypt(c.key, crypto.EncryptedMessageData{Salt: c.salt, SessionID: c.session, MessageID: id, SeqNo: c.seq*2 + 1,
		MessageDataLen: int32(len(body)), MessageDataWithPadding: body}, &b)
	if c.seq++; err == nil {
		err = c.conn.Send(c.t.Context(), &b)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return id
}

// next is the next message's body, with its sequence number.
func (c *client) next() (*bin.Buffer, int32) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 10*time.Second)
	defer cancel()
	var b bin.Buffer
	if err := c.conn.Recv(ctx, &b); err != nil {
		c.t.Fatal(err)
	}
	m, err := c.cipher.DecryptFromBuffer(c.key, &b)
	if err != nil {
		c.t.Fatal(err)
	}
	return &bin.Buffer{Buf: m.Data()}, m.SeqNo
}

// lines are the next n messages, a line each.
func (c *client) lines(n int) (got []string) {
	c.t.Helper()
	for range n {
		b, seq := c.next()
		got = append(got, fmt.Sprint(describe(c.t, b), " content ", seq%2 == 1))
	}
	slices.Sort(got)
	return got
}

func describe(t *testing.T, b *bin.Buffer) string {
	t.Helper()
	id, _ := b.PeekID()
	var err error
	var line string
	switch id {
	case mt.NewSessionCreatedTypeID:
		line = "session"
	case mt.PongTypeID:
		var m mt.Pong
		err, line = m.Decode(b), "pong"
		line += fmt.Sprint(" ", m.PingID)
	case mt.BadServerSaltTypeID:
		line = "bad salt"
	case proto.ResultTypeID:
		var m proto.Result
		err = m.Decode(b)
		in := &bin.Buffer{Buf: m.Result}
		what, _ := in.PeekID()
		line = fmt.Sprint("result ", what)
		if what == mt.RPCErrorTypeID {
			var e mt.RPCError
			err = e.Decode(in)
			line = fmt.Sprint("error ", e.ErrorCode, " ", e.ErrorMessage)
		}
	default:
		line = fmt.Sprintf("#%x", id)
	}
	if err != nil {
		t.Fatal(err)
	}
	return line
}

func encode(t *testing.T, m bin.Encoder) []byte {
	t.Helper()
	var b bin.Buffer
	if err := m.Encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Buf
}

func request(id uint32) []byte {
	var b bin.Buffer
	b.PutID(id)
	return b.Buf
}

func TestProtocol(t *testing.T) {
	t.Parallel()
	s, keys, h, addr, key := start(t)
	c := dial(t, addr)
	c.exchange(key)

	t.Run("a container with everything in it", func(t *testing.T) {
		box := proto.MessageContainer{}
		for _, body := range [][]byte{
			encode(t, &mt.PingRequest{PingID: 7}), encode(t, &mt.MsgsAck{MsgIDs: []int64{1}}),
			encode(t, proto.GZIP{Data: encode(t, &mt.PingDelayDisconnectRequest{PingID: 8, DisconnectDelay: 60})}),
			request(100), request(1), request(2),
		} {
			box.Messages = append(box.Messages, proto.Message{ID: c.ids.New(proto.MessageFromClient), Bytes: len(body), Body: body})
		}
		c.send(0, encode(t, &box))
		want := []string{"error 400 NO_ONES content true", "error 500 INTERNAL content true", "pong 7 content false", "pong 8 content false",
			"result 100 content true", "session content true"}
		if diff := cmp.Diff(want, c.lines(6)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("a wrong salt", func(t *testing.T) {
		c.salt++
		c.send(0, request(101))
		if diff := cmp.Diff([]string{"bad salt content false"}, c.lines(1)); diff != "" {
			t.Error(diff)
		}
		c.salt--
	})
	t.Run("a request sent twice is done once", func(t *testing.T) {
		for len(h.asked) > 0 {
			<-h.asked
		}
		id := c.send(0, request(102))
		c.send(id, request(102))
		c.send(0, request(103))
		if diff := cmp.Diff([]string{"result 102 content true", "result 103 content true"}, c.lines(2)); diff != "" {
			t.Error(diff)
		}
		if n := len(h.asked); n != 2 {
			t.Errorf("asked %d times, want 2", n)
		}
	})
	t.Run("the key and session on another connection", func(t *testing.T) {
		again := dial(t, addr)
		again.key, again.salt = c.key, c.salt
		again.send(0, request(104))
		if diff := cmp.Diff([]string{"result 104 content true"}, again.lines(1)); diff != "" {
			t.Error(diff) // above all, no new session
		}
	})
	t.Run("updates", func(t *testing.T) {
		there := dial(t, addr)
		there.key, there.salt, there.session = c.key, c.salt, 43
		if err := keys.Login(keys.Get(c.key.ID), 5); err != nil {
			t.Fatal(err)
		}
		s.Push(5, request(200)) // to nobody yet
		there.send(0, request(4))
		there.lines(2)
		for i := range uint32(3) {
			s.Push(5, request(201+i))
		}
		s.Push(6, request(299))
		for i := range 3 {
			if b, seq := there.next(); describe(t, b) != fmt.Sprintf("#%x", 201+i) || seq%2 != 1 {
				t.Errorf("update %d out of order or unnumbered", i)
			}
		}
	})
	t.Run("cut on demand", func(t *testing.T) {
		c.send(0, request(3))
		if err := c.conn.Recv(t.Context(), new(bin.Buffer)); err == nil {
			t.Error("the connection is open")
		}
	})
}

func TestUnknownKey(t *testing.T) {
	t.Parallel()
	_, _, _, addr, key := start(t)
	c := dial(t, addr)
	c.key = crypto.Key{1, 2, 3}.WithID()
	c.send(0, request(100))
	err := c.conn.Recv(t.Context(), new(bin.Buffer))
	var refused *codec.ProtocolErr
	if !errors.As(err, &refused) || refused.Code != codec.CodeAuthKeyNotFound {
		t.Fatalf("got %v", err)
	}
	c.exchange(key) // on the same connection
	c.send(0, request(100))
	if diff := cmp.Diff([]string{"result 100 content true", "session content true"}, c.lines(2)); diff != "" {
		t.Error(diff)
	}
}
