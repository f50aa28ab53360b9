package ingest

import (
	"errors"
	"fmt"
	"time"
)

// What can go wrong at a source. Everything else is ours, and internal.
var (
	// ErrUnknown: there is no such username or channel.
	ErrUnknown = errors.New("no such channel")
	// ErrPrivate: the channel exists, this account cannot read it.
	ErrPrivate = errors.New("channel is private")
	// ErrNoAccount: nobody is logged in, or no account is able to read now.
	ErrNoAccount = errors.New("no account is logged in")
	// ErrSession: the account's session is gone (revoked, expired, duplicated); log in again.
	ErrSession = errors.New("the account's session is gone")
	// ErrFrozen: Telegram froze the account. It is an ErrSession, too: the account reads no more.
	ErrFrozen = fmt.Errorf("%w: frozen", ErrSession)
	// ErrBanned: Telegram banned or deleted the account. It is an ErrSession, too.
	ErrBanned = fmt.Errorf("%w: banned", ErrSession)
	// ErrUnreachable: Telegram does not answer.
	ErrUnreachable = errors.New("telegram cannot be reached")
	// ErrNotMember: known only by id, and no account of ours is a member, so there is no access hash.
	ErrNotMember = errors.New("channel is known to no account")
	// ErrElsewhere: accounts are logged in, and other processes read with them.
	ErrElsewhere = errors.New("other processes read with the accounts")
	// ErrRestarted: a message that was read before is another one now. Ids are never given out twice within one history, so this is another one.
	ErrRestarted = errors.New("the channel's ids began anew")
	// ErrUnproved: Telegram answered, but the answer says nothing about the ids asked for.
	ErrUnproved = errors.New("telegram's answer proves nothing about the messages asked for")
	// ErrStoreDown: Postgres does not answer.
	ErrStoreDown = errors.New("the post store cannot be reached")
)

// FloodError is Telegram's demand to wait, longer than is waited inline.
type FloodError struct {
	Account AccountID
	Method  string // MTProto method, e.g. "messages.getHistory"
	Wait    time.Duration
}

// Error names the method and the wait.
func (e *FloodError) Error() string {
	return fmt.Sprintf("telegram asks to wait %s with %s", e.Wait, e.Method)
}

// RefError is a malformed reference.
type RefError struct{ Ref, Problem string }

// Error says what is wrong with the reference.
func (e *RefError) Error() string { return fmt.Sprintf("%q: %s", e.Ref, e.Problem) }

// staged is an error that knows at which stage of reading it happened.
type staged struct {
	error
	stage string
}

// Unwrap gives what happened.
func (e *staged) Unwrap() error { return e.error }

// Stage is "read" or "save".
func (e *staged) Stage() string { return e.stage }

func at(stage string, err error) error {
	if err == nil {
		return nil
	}
	return &staged{err, stage}
}
