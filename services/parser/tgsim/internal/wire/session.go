package wire

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/crypto"
	"github.com/gotd/td/mt"
	"github.com/gotd/td/proto"
)

const (
	sessionTTL = 5 * time.Minute // how long a session without a connection is remembered
	pushQueue  = 4096            // updates waiting for one client; more are lost, and the client finds the gap
)

type sessionKey struct {
	key [8]byte
	id  int64
}

// Session is a client's MTProto session. It outlives its connections for some minutes.
type Session struct {
	ID     int64
	server *Server
	key    *Key

	updates atomic.Bool
	queue   chan []byte

	mu       sync.Mutex
	conn     *conn
	content  int32 // content-related messages sent
	detached time.Time
	taken    [remembered]request // the last requests, so that one sent again is not done again
	next     int
}

// remembered is how many requests of a session are known when they come again.
const remembered = 256

// request is a message that was taken for answering on a connection.
type request struct {
	conn *conn
	id   int64
}

// Key is the key that the session speaks under.
func (s *Session) Key() *Key { return s.key }

// WantUpdates says that the client takes updates on this session: it asked something outside invokeWithoutUpdates.
func (s *Session) WantUpdates() { s.updates.Store(true) }

// session finds or makes the session. It tells whether it is new.
func (s *Server) session(k *Key, id int64) (*Session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := sessionKey{k.ID, id}
	if have := s.sessions[at]; have != nil {
		return have, false
	}
	s.forget()
	made := &Session{ID: id, server: s, key: k, queue: make(chan []byte, pushQueue)}
	s.sessions[at] = made
	return made, true
}

// forget drops the sessions that nobody came back to; the caller holds the lock.
func (s *Server) forget() {
	limit := s.o.Now().Add(-sessionTTL)
	for at, old := range s.sessions {
		old.mu.Lock()
		if old.conn == nil && !old.detached.IsZero() && old.detached.Before(limit) {
			delete(s.sessions, at)
		}
		old.mu.Unlock()
	}
}

// Push sends an update to all connected sessions of an account that want updates.
func (s *Server) Push(user int64, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, to := range s.sessions {
		if to.updates.Load() && to.key.User() == user {
			to.Push(body)
		}
	}
}

// Push sends an update to this session, later, if it is connected and keeps up.
func (s *Session) Push(body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		return
	}
	select {
	case s.queue <- body:
	default:
	}
}

func (s *Session) attach(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn, s.detached = c, time.Time{}
}

func (s *Session) detach(c *conn, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == c {
		s.conn, s.detached = nil, now
		s.taken = [remembered]request{} // do not keep the connection alive
	}
}

// take notes a request; false when it came on this connection before, so that its answer is on the way.
func (s *Session) take(c *conn, msgID int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.taken[:], request{c, msgID}) {
		return false
	}
	s.taken[s.next] = request{c, msgID}
	s.next = (s.next + 1) % remembered
	return true
}

// number is the sequence number of the next message.
func (s *Session) number(content bool) int32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.content * 2
	if content {
		s.content++
		n++
	}
	return n
}

// send encrypts and writes one message. Numbers are given under the connection's write lock, so they rise on the wire.
func (s *Session) send(c *conn, t proto.MessageType, content bool, body []byte) error {
	frame := buffers.Get()
	defer buffers.Put(frame)
	c.write.Lock()
	defer c.write.Unlock()
	err := s.server.cipher.Encrypt(s.key.AuthKey, crypto.EncryptedMessageData{
		Salt: s.key.Salt, SessionID: s.ID, MessageID: s.server.ids.New(t), SeqNo: s.number(content),
		MessageDataLen: int32(len(body)), MessageDataWithPadding: body,
	}, frame)
	if err != nil {
		return err
	}
	return c.send(frame)
}

// tell sends one of the protocol's own messages.
func (s *Session) tell(c *conn, t proto.MessageType, message bin.Encoder) error {
	var b bin.Buffer
	if err := message.Encode(&b); err != nil {
		return err
	}
	_, content := message.(*mt.NewSessionCreated)
	return s.send(c, t, content, b.Buf)
}

var buffers = bin.NewPool(0)

// Listens tells whether any connected session of an account wants updates.
func (s *Server) Listens(user int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.sessions {
		if one.updates.Load() && one.key.User() == user {
			return true
		}
	}
	return false
}
