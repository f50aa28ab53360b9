package rpc

import (
	"net"
	"sync"
	"sync/atomic"
)

// Bounded bounds the connections of a listener at most. One more is closed as soon as it is made: its client hears at once, and comes back later,
// while one left in the queue would learn nothing.
func Bounded(l net.Listener, most int) net.Listener {
	return &boundedListener{Listener: l, most: int64(most)}
}

type boundedListener struct {
	net.Listener
	most int64
	open atomic.Int64
}

// Accept is the next connection for which there is room.
func (l *boundedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= l.most {
			return &boundedConn{Conn: conn, leave: sync.OnceFunc(func() { l.open.Add(-1) })}, nil
		}
		l.open.Add(-1)
		_ = conn.Close()
	}
}

type boundedConn struct {
	net.Conn
	leave func()
}

// Close makes room.
func (c *boundedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
