package plan

import (
	"errors"
	"fmt"
	"time"
)

// Kind is what a problem means for whoever met it.
type Kind int

// The kinds.
const (
	Failed    Kind = iota // something of ours: try again soon
	Barred                // the channel cannot be read: private, gone, unknown
	NoReader              // no account can read now: log in
	Flooded               // Telegram asks to wait
	Stale                 // a newer run owns the channel
	Refused               // the caller asked for something that makes no sense
	Restarted             // the channel's ids began anew: what is covered is of another history
	Unproved              // the source answered, and its answers prove nothing
)

// blocks is true for what keeps Telegram from answering about the channel.
func (k Kind) blocks() bool { return k == Barred || k == NoReader || k == Flooded || k == Refused }

// Problem is an error of a peer, as the core sees it.
type Problem struct {
	Kind    Kind
	Reason  string // machine-readable: "CHANNEL_PRIVATE"
	Message string // for people
	Retry   time.Duration
	Cause   error // what crossed the wire
}

// Error is for people.
func (p *Problem) Error() string { return p.Message }

// Unwrap gives the cause.
func (p *Problem) Unwrap() error { return p.Cause }

// problemOf finds the problem in an error; one that is none is ours.
func problemOf(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	return &Problem{Kind: Failed, Reason: "INTERNAL", Message: err.Error(), Cause: err}
}

// What a store can answer.
var (
	// ErrUnknown: no such channel is followed, or no such run.
	ErrUnknown = errors.New("not followed")
	// ErrDown: the store does not answer.
	ErrDown = errors.New("the schedule store cannot be reached")
	// ErrNothingCovered: there is nothing to read again yet.
	ErrNothingCovered = errors.New("nothing of this channel is covered yet")
	// ErrPaused: the channel is paused, so nothing of it is read.
	ErrPaused = errors.New("the channel is paused")
	// ErrTaken: another worker runs the channel.
	ErrTaken = errors.New("another worker runs this channel")
)

// FieldError is a request that means nothing, naming the field.
type FieldError struct{ Field, Problem string }

// Error says which field, and what is wrong.
func (e *FieldError) Error() string { return fmt.Sprintf("%s: %s", e.Field, e.Problem) }
