package wire

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"sync"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/mtproxy/obfuscated2"
	"github.com/gotd/td/proto/codec"
	"github.com/gotd/td/transport"
)

const (
	helloTimeout = 30 * time.Second // for the first bytes of a connection
	writeTimeout = 30 * time.Second // a client that takes no answer for so long is cut
)

// conn is one TCP connection with its transport found out. It is a transport.Conn, for the key exchange.
type conn struct {
	net     net.Conn
	codec   transport.Codec
	r       io.Reader
	pending []byte        // a frame to be received again
	idle    time.Duration // how long a silent client is kept; 0 is for ever

	write sync.Mutex
	w     *bufio.Writer

	mu       sync.Mutex
	keys     map[*Key]bool
	sessions map[*Session]bool
}

// accept finds out the transport. The client speaks first, so this blocks its own goroutine only.
func accept(nc net.Conn, now func() time.Time) (*conn, error) {
	_ = nc.SetReadDeadline(now().Add(helloTimeout))
	in := bufio.NewReaderSize(nc, 32<<10)
	c := &conn{net: nc, r: in, w: bufio.NewWriterSize(nc, 32<<10), keys: map[*Key]bool{}, sessions: map[*Session]bool{}}
	start, err := in.Peek(1)
	if err != nil {
		return nil, err
	}
	if start[0] == codec.AbridgedClientStart[0] {
		c.codec = codec.Abridged{}
		return c, c.codec.ReadHeader(in)
	}
	if start, err = in.Peek(8); err != nil {
		return nil, err
	}
	switch {
	case [4]byte(start) == codec.IntermediateClientStart:
		c.codec = codec.Intermediate{}
	case [4]byte(start) == codec.PaddedIntermediateClientStart:
		c.codec = codec.PaddedIntermediate{}
	case bytes.Equal(start[4:8], make([]byte, 4)): // the number of the first packet
		c.codec = &codec.Full{}
	default:
		return c, c.unveil(in)
	}
	return c, c.codec.ReadHeader(in)
}

// unveil accepts an obfuscated connection.
func (c *conn) unveil(in io.Reader) error {
	rw, hello, err := obfuscated2.Accept(readWriter{in, c.net}, nil)
	if err != nil {
		return err
	}
	c.r, c.w = rw, bufio.NewWriterSize(rw, 32<<10)
	switch {
	case hello.Protocol[0] == codec.AbridgedClientStart[0]:
		c.codec = codec.Abridged{}
	case hello.Protocol == codec.PaddedIntermediateClientStart:
		c.codec = codec.PaddedIntermediate{}
	default:
		c.codec = codec.Intermediate{}
	}
	return nil
}

type readWriter struct {
	io.Reader
	io.Writer
}

// Recv reads the next frame.
func (c *conn) Recv(ctx context.Context, b *bin.Buffer) error {
	if c.pending != nil {
		b.ResetTo(c.pending)
		c.pending = nil
		return nil
	}
	deadline, _ := ctx.Deadline()
	if c.idle > 0 && deadline.IsZero() {
		deadline = time.Now().Add(c.idle) // the socket's clock, not the world's
	}
	if err := c.net.SetReadDeadline(deadline); err != nil {
		return err
	}
	return c.codec.Read(c.r, b)
}

// Send writes one frame.
func (c *conn) Send(_ context.Context, b *bin.Buffer) error {
	c.write.Lock()
	defer c.write.Unlock()
	return c.send(b)
}

// send writes one frame; the caller holds the write lock.
func (c *conn) send(b *bin.Buffer) error {
	_ = c.net.SetWriteDeadline(time.Now().Add(writeTimeout)) // the socket's clock, not the world's
	if err := c.codec.Write(c.w, b); err != nil {
		return err
	}
	return c.w.Flush()
}

// fail sends a transport's error, such as 404 for an unknown key.
func (c *conn) fail(ctx context.Context, code int32) error {
	var b bin.Buffer
	b.PutInt32(-code)
	return c.Send(ctx, &b)
}

// Close cuts the connection.
func (c *conn) Close() error { return c.net.Close() }

// use notes that this connection speaks for a key and a session. It tells whether the session is new here.
func (c *conn) use(s *Session) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.keys[s.key] {
		c.keys[s.key] = true
		s.key.Main().conns.Add(1)
	}
	if c.sessions[s] {
		return false
	}
	c.sessions[s] = true
	s.attach(c)
	return true
}

// release is the end of use.
func (c *conn) release(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k := range c.keys {
		k.Main().conns.Add(-1)
	}
	for s := range c.sessions {
		s.detach(c, now)
	}
}
