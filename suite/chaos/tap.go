package main

import (
	"bytes"
	"encoding/binary"
	"regexp"
	"sync"
)

// postgresTap reads the client's half of Postgres's protocol: statements by their text, also prepared ones.
type postgresTap struct {
	started  bool
	kind     byte
	need     int    // bytes of the message that are still to come; 0 between messages
	buf      []byte // the head, or a message worth reading
	reading  bool   // buf is worth keeping
	prepared map[string]string
}

func newPostgresTap() tap { return &postgresTap{prepared: map[string]string{}} }

// sent implements tap.
func (t *postgresTap) sent(chunk []byte) (found []statement) {
	for len(chunk) > 0 {
		if t.need == 0 {
			chunk = t.head(chunk)
			continue
		}
		n := min(t.need, len(chunk))
		if t.reading {
			t.buf = append(t.buf, chunk[:n]...)
		}
		if t.need -= n; t.need == 0 {
			if s, ok := t.message(); ok {
				found = append(found, s)
			}
			t.buf = t.buf[:0]
		}
		chunk = chunk[n:]
	}
	return found
}

// head takes the bytes of a message's head, and answers the rest.
func (t *postgresTap) head(chunk []byte) []byte {
	size := 5
	if !t.started { // the first message has no kind
		size = 4
	}
	n := min(size-len(t.buf), len(chunk))
	t.buf = append(t.buf, chunk[:n]...)
	if len(t.buf) == size {
		t.kind = t.buf[0]
		if !t.started {
			t.kind = 0
		}
		t.need = int(binary.BigEndian.Uint32(t.buf[size-4:])) - 4
		t.started, t.buf, t.reading = true, t.buf[:0], t.kind == 'P' || t.kind == 'B' || t.kind == 'Q'
	}
	return chunk[n:]
}

func (t *postgresTap) message() (statement, bool) {
	first, rest, _ := bytes.Cut(t.buf, []byte{0})
	switch t.kind {
	case 'Q':
		return statement{text: string(first)}, true
	case 'P':
		text, _, _ := bytes.Cut(rest, []byte{0})
		t.prepared[string(first)] = string(text)
	case 'B':
		name, args, _ := bytes.Cut(rest, []byte{0})
		return statement{text: t.prepared[string(name)], args: bytes.Clone(args)}, true
	}
	return statement{}, false
}

// sent is what relays gave to Redis, in order, whatever became of it there.
type sent struct {
	mu    sync.Mutex
	order []string
	times map[string]int
}

func newSent() *sent { return &sent{times: map[string]int{}} }

func (s *sent) add(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.times[id]++; s.times[id] == 1 {
		s.order = append(s.order, id)
	}
}

// redisTap knows the one command that matters, and writes down the ids of the events in it.
type redisTap struct {
	log  *sent
	rest []byte // the end of what was looked at, which may be the beginning of an id
}

// longest is more than an id and what stands before it.
const longest = 120

var eventID = regexp.MustCompile(`\r\n\$2\r\nid\r\n\$\d+\r\n(\d+/\d+/\d+/[a-z.]+(?:/[0-9a-f]+)?)\r\n`)

// sent implements tap.
func (t *redisTap) sent(chunk []byte) (found []statement) {
	if bytes.Contains(bytes.ToUpper(chunk[:min(len(chunk), 64)]), []byte("XADD")) {
		found = []statement{{text: "XADD"}}
	}
	t.rest = append(t.rest, chunk...)
	end := 0
	for _, m := range eventID.FindAllSubmatchIndex(t.rest, -1) {
		t.log.add(string(t.rest[m[2]:m[3]]))
		end = m[1] - len("\r\n") // which begins the next one, too
	}
	t.rest = append(t.rest[:0], t.rest[max(end, len(t.rest)-longest):]...)
	return found
}
