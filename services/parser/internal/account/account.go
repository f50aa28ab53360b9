// Package account is the pure core of reading with Telegram accounts: what an account is, who may use its session, how long Telegram told
// it to wait, and how its session is kept secret.
//
// One session has one owner: Telegram revokes a session that it sees on two connections at once. So a process reads with an account only
// while it holds the account's Lease; the lease carries a growing token, and a session is only ever written with the newest one. A lease is
// compared by the store's clock, renewed well before it ends, and given back only after the socket is closed.
//
// Telegram's patience is the scarce thing: Gate remembers, per account and method, until when Telegram told us to wait, over restarts, and
// lets nobody through before.
package account

import (
	"context"
	"errors"
	"strings"
	"time"
)

// ID is Telegram's user id of an account.
type ID int64

// State is how an account is, by the names stored.
type State string

// The states. Told to wait is none of them: it follows from Floods, see Account.FloodedUntil.
const (
	Active      State = "active"
	Unreachable State = "unreachable" // Telegram does not answer right now
	Frozen      State = "frozen"      // by Telegram: reads little or nothing until appealed
	Revoked     State = "revoked"     // the session is gone: log in again
	Banned      State = "banned"      // deactivated
)

// Readable is true when it makes sense to connect with the account.
func (s State) Readable() bool { return s == Active || s == Unreachable || s == Frozen }

// Account is a Telegram account that we read with.
type Account struct {
	ID          ID
	Username    string // without "@", empty when none
	MaskedPhone string // see MaskPhone
	State       State
	CreatedAt   time.Time // when it was logged in
	LastOKAt    time.Time // last answer from Telegram, zero before the first
	Floods      []Flood   // those that are not over at the time of reading, by method
}

// FloodedUntil is the end of the longest wait that is not waited inline, zero when there is none.
func (a Account) FloodedUntil(now time.Time) time.Time {
	var last time.Time
	for _, f := range a.Floods {
		if f.Long() && f.Until.After(now) && f.Until.After(last) {
			last = f.Until
		}
	}
	return last
}

// Flood is one method's wait of one account.
type Flood struct {
	Account ID
	Method  string    // MTProto method, e.g. "messages.getHistory"
	Since   time.Time // when Telegram said so
	Until   time.Time // not to be called before
}

// Long is true when the wait is too long to be waited inline.
func (f Flood) Long() bool { return f.Until.Sub(f.Since) > Patience }

// Peer is what one account needs to read one channel: an access hash is good for the account that got it and no other.
type Peer struct {
	Account    ID
	Channel    int64
	AccessHash int64
	Username   string // the channel's present one, without "@", empty when none
	Title      string
	Supergroup bool
	Protected  bool
	ResolvedAt time.Time
}

// Lease is the right to connect with an account. A greater token ends all smaller ones.
type Lease struct {
	Account ID
	Token   int64
}

// The life of a lease. An owner that cannot renew stops reading Margin before the end, so that two never overlap. It is short, since whoever takes over
// from a process that was killed must wait for its end.
const (
	LeaseTTL   = 6 * time.Second
	LeaseRenew = time.Second
	Margin     = time.Second
)

// What can go wrong with an account in the store.
var (
	// ErrUnknown: there is no such account.
	ErrUnknown = errors.New("no such account")
	// ErrLeased: another process reads with the account.
	ErrLeased = errors.New("another parser reads with the account: ask that one, or stop it first")
	// ErrLeaseLost: another process has taken the account over, or it was logged out.
	ErrLeaseLost = errors.New("the account's lease is lost")
)

// Store keeps accounts with all that belongs to them.
type Store interface {
	Directory
	Sessions
	Peers
	Budgets
}

// Directory is the list of accounts.
type Directory interface {
	// Accounts are at most limit accounts by id, from the first above after.
	Accounts(ctx context.Context, after ID, limit int, now time.Time) ([]Account, error)
	// Account is one of them; ErrUnknown.
	Account(ctx context.Context, id ID, now time.Time) (Account, error)
	// Delete forgets the account, its session, peers and floods. Deleting an unknown one is no error.
	Delete(ctx context.Context, id ID) error
}

// Sessions hands out leases and keeps sealed sessions.
type Sessions interface {
	// Adopt stores a freshly logged in account with its session and takes its lease, from whoever had it.
	Adopt(ctx context.Context, a Account, session []byte, owner string) (Lease, error)
	// Acquire takes the lease of an account that nobody holds, and opens its session. ErrLeased, ErrUnknown, *KeyError.
	Acquire(ctx context.Context, id ID, owner string) (Lease, []byte, error)
	// Renew keeps the lease and notes how the account is; a zero okAt leaves the last answer's instant. ErrLeaseLost.
	Renew(ctx context.Context, l Lease, s State, okAt time.Time) error
	// SaveSession replaces the session. ErrLeaseLost.
	SaveSession(ctx context.Context, l Lease, session []byte) error
	// Release gives the lease back. A lease that is already lost is no error.
	Release(ctx context.Context, l Lease) error
}

// Peers remembers what was resolved, for ever.
type Peers interface {
	// Peers are all accounts' ways to a channel, by account.
	Peers(ctx context.Context, channel int64) ([]Peer, error)
	// ChannelOf is the channel that a username (lower case, without "@") was resolved to, 0 when it never was.
	ChannelOf(ctx context.Context, username string) (int64, error)
	// UsernameOf is the username that was last resolved to a channel, "" when none was. It outlives the accounts that knew it.
	UsernameOf(ctx context.Context, channel int64) (string, error)
	// SavePeers remembers peers.
	SavePeers(ctx context.Context, peers []Peer) error
	// SaveUsername remembers what a username was resolved to.
	SaveUsername(ctx context.Context, username string, channel int64, now time.Time) error
}

// Budgets remembers how Telegram's patience was used.
type Budgets interface {
	// SaveFlood remembers a wait; a longer one that is known stays.
	SaveFlood(ctx context.Context, f Flood) error
	// Spend counts one call against limit calls per window. When they are used up it counts nothing and answers when the window ends.
	Spend(ctx context.Context, id ID, method string, limit int, window time.Duration, now time.Time) (until time.Time, err error)
}

// MaskPhone hides all but the last two digits: "+*********42".
func MaskPhone(phone string) string {
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, phone)
	if len(digits) <= 4 {
		return "+**"
	}
	return "+" + strings.Repeat("*", len(digits)-2) + digits[len(digits)-2:]
}
