// Package world is the truth behind the simulated Telegram: accounts, channels, and every message as the TL bytes that a client gets,
// encoded once. It changes by operations (Post, Edit, Delete, MakePrivate, ...), each of which moves the channel's pts and tells the
// watcher. The same seed and end time make the same bytes.
package world

import (
	"cmp"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Errors of access, as a datacenter tells them apart.
var (
	ErrUnknown = errors.New("no such channel")                   // also: not that access hash
	ErrPrivate = errors.New("channel is private")                // and the account is no member
	ErrPts     = errors.New("pts is ahead of the channel's")     // of Difference
	ErrMissing = errors.New("no such message in the channel")    // of Edit
	ErrTaken   = errors.New("username, id or phone is in use")   // of Add, MakePublic and Rename
	ErrAccount = errors.New("no account with that phone")        // of Join and Leave
	errService = errors.New("service messages cannot be edited") // of Edit
)

// Account is someone who can log in.
type Account struct {
	ID        int64  `json:"id"`
	Phone     string `json:"phone"`              // as +10000000000
	Code      string `json:"code"`               // what "arrives" after auth.sendCode
	Password  string `json:"password,omitempty"` // of two-step verification; empty is none
	FirstName string `json:"first_name"`
}

// Event is a change of a channel, for pushing. Its message is absent in a deletion.
type Event struct {
	Kind    Kind
	View    View // as nobody in particular sees the channel, after the event
	IDs     []int
	Message *Message
	Count   int // how far pts moved
	Members []int64
}

// Kind says what an Event is.
type Kind byte

// The kinds of Event.
const (
	Posted Kind = iota + 1
	Edited
	Deleted
	Closed // the channel is not to be seen by Members any more
)

// World is everything there is. Its methods may be called at any time, from any goroutine.
type World struct {
	// TooLong is how many events behind a client may be before Difference refuses. Set it before the world is shared.
	TooLong int

	seed uint64
	now  func() time.Time

	mu       sync.RWMutex
	accounts []Account
	channels []*channel
	byID     map[int64]*channel
	byName   map[string]*channel
	watchers map[int]func(Event)
	nextID   int // of a watcher
}

const defaultTooLong = 10_000

// Empty is a world without channels and with the given accounts. now is the clock that live posts are dated by; nil is the system's.
func Empty(seed uint64, now func() time.Time, accounts ...Account) *World {
	if now == nil {
		now = time.Now // a simulator's own clock
	}
	if len(accounts) == 0 {
		accounts = []Account{DefaultAccount()}
	}
	return &World{TooLong: defaultTooLong, seed: seed, now: now, accounts: accounts, byID: map[int64]*channel{}, byName: map[string]*channel{},
		watchers: map[int]func(Event){}}
}

// DefaultAccount is the one that every world has unless told otherwise.
func DefaultAccount() Account {
	return Account{ID: 10_000_001, Phone: "+10000000000", Code: "12345", FirstName: "Reader"}
}

// Watch tells fn of every event, in order, until stop is called. It is called under the world's lock: it must be quick and not call back.
func (w *World) Watch(fn func(Event)) (stop func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	id := w.nextID
	w.nextID++
	w.watchers[id] = fn
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.watchers, id)
	}
}

// Accounts are all accounts.
func (w *World) Accounts() []Account { return slices.Clone(w.accounts) }

// ByPhone finds an account; the + does not matter.
func (w *World) ByPhone(phone string) (Account, bool) {
	i := slices.IndexFunc(w.accounts, func(a Account) bool { return strings.TrimPrefix(a.Phone, "+") == strings.TrimPrefix(phone, "+") })
	if i < 0 {
		return Account{}, false
	}
	return w.accounts[i], true
}

// ByID finds an account.
func (w *World) ByID(id int64) (Account, bool) {
	i := slices.IndexFunc(w.accounts, func(a Account) bool { return a.ID == id })
	if i < 0 {
		return Account{}, false
	}
	return w.accounts[i], true
}

// Channels are the ids of all channels, in order of their making.
func (w *World) Channels() []int64 {
	w.mu.RLock()
	defer w.mu.RUnlock()
	ids := make([]int64, len(w.channels))
	for i, c := range w.channels {
		ids[i] = c.ID
	}
	return ids
}

// AccessHash is the key to a channel that this account alone can use.
func (w *World) AccessHash(account, channel int64) int64 {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%d/%d/%d", w.seed, account, channel)
	return int64(h.Sum64())
}

// find is the channel that a person names: a username with or without @, a bare id or one with -100. The caller holds a lock.
func (w *World) find(ref string) (*channel, error) {
	ref = strings.ToLower(strings.TrimPrefix(ref, "@"))
	if c := w.byName[ref]; c != nil {
		return c, nil
	}
	if id, err := strconv.ParseInt(strings.TrimPrefix(ref, "-100"), 10, 64); err == nil && w.byID[id] != nil {
		return w.byID[id], nil
	}
	return nil, fmt.Errorf("%q: %w", ref, ErrUnknown)
}

func (w *World) tell(e Event, c *channel) {
	if e.Members == nil {
		e.Members = c.memberIDs()
	}
	e.View = w.view(c, 0)
	for _, fn := range w.watchers {
		fn(e)
	}
}

func (c *channel) memberIDs() []int64 {
	ids := make([]int64, 0, len(c.members))
	for id := range c.members {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, cmp.Compare[int64])
	return ids
}
