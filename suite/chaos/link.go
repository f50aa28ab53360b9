package main

import (
	"context"
	"net"
	"sync"
	"time"
)

// link is a TCP proxy between a client and what it talks to. It can cut what goes through, freeze it, slow it, and look at it.
type link struct {
	name     string
	listener net.Listener
	taps     func() tap // makes the look at one connection; nil does not look

	mu     sync.Mutex
	target string
	frozen chan struct{} // closed when it thaws; nil when it flows
	delay  time.Duration
	pairs  map[*pair]bool
	breaks []*breakpoint
}

// tap looks at one connection: it answers the statements that are completed by bytes from the client.
type tap interface {
	sent(chunk []byte) []statement
}

// pair is one connection through a link.
type pair struct {
	link           *link
	client, server net.Conn
	look           tap

	mu    sync.Mutex
	last  string        // the statement that was sent last
	await []*breakpoint // that fire when the server answers
}

// openLink listens; Run of the link ends with ctx.
func openLink(ctx context.Context, name, target string, taps func() tap) (*link, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	k := &link{name: name, listener: l, taps: taps, target: target, pairs: map[*pair]bool{}}
	context.AfterFunc(ctx, func() { _ = l.Close(); k.cut() })
	go k.accept()
	return k, nil
}

func (k *link) addr() string { return k.listener.Addr().String() }

// aim sends new connections elsewhere.
func (k *link) aim(target string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.target = target
}

// cut resets every connection.
func (k *link) cut() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for p := range k.pairs {
		p.close()
	}
}

// freeze makes it half-open: connections stay, new ones are taken, and nothing goes through.
func (k *link) freeze() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.frozen == nil {
		k.frozen = make(chan struct{})
	}
}

// thaw ends freeze: what was held goes on.
func (k *link) thaw() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.frozen != nil {
		close(k.frozen)
		k.frozen = nil
	}
}

// slow holds every piece back for a while; 0 ends it.
func (k *link) slow(d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.delay = d
}

func (k *link) accept() {
	for {
		client, err := k.listener.Accept()
		if err != nil {
			return
		}
		go k.serve(client)
	}
}

func (k *link) serve(client net.Conn) {
	k.pass()
	k.mu.Lock()
	target := k.target
	k.mu.Unlock()
	dialer := net.Dialer{Timeout: time.Second}
	server, err := dialer.Dial("tcp", target)
	if err != nil {
		reset(client)
		return
	}
	p := &pair{link: k, client: client, server: server}
	if k.taps != nil {
		p.look = k.taps()
	}
	k.mu.Lock()
	k.pairs[p] = true
	k.mu.Unlock()
	go p.copy(server, client, p.up)
	p.copy(client, server, p.down)
	k.mu.Lock()
	delete(k.pairs, p)
	k.mu.Unlock()
}

// pass waits while the link is frozen or slow.
func (k *link) pass() {
	k.mu.Lock()
	frozen, delay := k.frozen, k.delay
	k.mu.Unlock()
	if delay > 0 {
		<-time.After(delay)
	}
	if frozen != nil {
		<-frozen
	}
}

// copy moves bytes one way; see is told before they go on, and ends the connection when it answers false.
func (p *pair) copy(to, from net.Conn, see func([]byte) bool) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			p.link.pass()
			if !see(buf[:n]) {
				break
			}
			if _, err := to.Write(buf[:n]); err != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	p.close()
}

func (p *pair) close() {
	reset(p.client)
	reset(p.server)
}

// reset closes so that the other side learns of it at once.
func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}
