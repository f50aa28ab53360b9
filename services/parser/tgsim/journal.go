package tgsim

import (
	"maps"
	"sync"
	"time"

	"github.com/gotd/td/tgerr"
)

// kept is how many requests the journal remembers one by one.
const kept = 10_000

// Request is one request that was answered, or not.
type Request struct {
	At      time.Time `json:"at"`
	Method  string    `json:"method"`
	Account int64     `json:"account,omitempty"`
	Channel int64     `json:"channel,omitempty"`
	Error   string    `json:"error,omitempty"` // the rpc_error's type, or what else went wrong
}

// journal counts requests and remembers the last ones.
type journal struct {
	mu     sync.Mutex
	counts map[string]int
	last   []Request
	next   int
}

func newJournal() journal { return journal{counts: map[string]int{}} }

func (j *journal) add(r Request, err error) {
	if e, ok := tgerr.As(err); ok {
		r.Error = e.Message
	} else if err != nil {
		r.Error = err.Error()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.counts[r.Method]++
	if len(j.last) < kept {
		j.last = append(j.last, r)
		return
	}
	j.last[j.next] = r
	j.next = (j.next + 1) % kept
}

// Requests counts the requests by method since the start, or since ResetRequests. Those that were struck by a fault count too.
func (s *Server) Requests() map[string]int {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return maps.Clone(s.log.counts)
}

// LastRequests are the latest requests, oldest first; at most 10,000 are remembered.
func (s *Server) LastRequests() []Request {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return append(append([]Request{}, s.log.last[s.log.next:]...), s.log.last[:s.log.next]...)
}

// ResetRequests starts counting anew.
func (s *Server) ResetRequests() {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	s.log.counts, s.log.last, s.log.next = map[string]int{}, nil, 0
}
