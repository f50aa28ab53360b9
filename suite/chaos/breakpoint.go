package main

import (
	"bytes"
	"regexp"
	"sync"
)

// statement is something that a client asks a store to do.
type statement struct {
	text string
	args []byte // as they are on the wire
}

// breakpoint stops a connection at a statement, just before it goes out or just before its answer comes back, and does something there.
type breakpoint struct {
	match *regexp.Regexp
	prior *regexp.Regexp // what the connection asked for before; nil is anything
	args  []byte         // bytes that the arguments must hold; nil is anything
	reply []byte         // with after: bytes that the answer must hold
	after bool           // at the answer, not at the question
	skip  int            // how many matches pass first
	do    func()         // runs while the connection waits; it may take its time
	cut   bool           // the connection ends afterwards, and what was held is lost

	mu    sync.Mutex
	spent bool
	hit   chan struct{} // closed when do is done
}

// arm puts a breakpoint on a link; it fires once.
func (k *link) arm(b *breakpoint) *breakpoint {
	b.hit = make(chan struct{})
	k.mu.Lock()
	defer k.mu.Unlock()
	k.breaks = append(k.breaks, b)
	return b
}

// disarm is true when the breakpoint had not fired and never will.
func (b *breakpoint) disarm() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	was := b.spent
	b.spent = true
	return !was
}

// claim is true for the one connection that meets it.
func (b *breakpoint) claim(s statement, last string) bool {
	if !b.match.MatchString(s.text) || b.prior != nil && !b.prior.MatchString(last) || b.args != nil && !bytes.Contains(s.args, b.args) {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.spent {
		return false
	}
	if b.skip--; b.skip >= 0 {
		return false
	}
	b.spent = true
	return true
}

func (b *breakpoint) fire() bool {
	b.do()
	close(b.hit)
	return !b.cut
}

func (k *link) armed() []*breakpoint {
	k.mu.Lock()
	defer k.mu.Unlock()
	alive := k.breaks[:0]
	for _, b := range k.breaks {
		b.mu.Lock()
		if !b.spent {
			alive = append(alive, b)
		}
		b.mu.Unlock()
	}
	k.breaks = alive
	return append([]*breakpoint(nil), alive...)
}

// up looks at what the client sends; false ends the connection.
func (p *pair) up(chunk []byte) bool {
	if p.look == nil {
		return true
	}
	for _, s := range p.look.sent(chunk) {
		for _, b := range p.link.armed() {
			if !b.claim(s, p.last) {
				continue
			}
			if b.after {
				p.mu.Lock()
				p.await = append(p.await, b)
				p.mu.Unlock()
			} else if !b.fire() {
				return false
			}
		}
		p.last = s.text
	}
	return true
}

// down looks at what the server answers.
func (p *pair) down(chunk []byte) bool {
	p.mu.Lock()
	var due []*breakpoint
	kept := p.await[:0]
	for _, b := range p.await {
		if bytes.Contains(chunk, b.reply) {
			due = append(due, b)
		} else {
			kept = append(kept, b)
		}
	}
	p.await = kept
	p.mu.Unlock()
	for _, b := range due {
		if !b.fire() {
			return false
		}
	}
	return true
}
