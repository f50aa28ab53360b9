// Package mark is the core of the watermark service: what a mark is, and the only ways in which it may move.
//
// A mark is a set of message ids (Coverage) per channel and pipeline stage. It moves forward by union (Step), so that repeating,
// reordering and crossing are harmless, and moves back only by a Rewind that names a reason and the version it saw. Dates in it
// are derived and shown; no rule compares them with each other across messages. All rules are pure functions of the mark, the
// request and now; a Store applies them under its own lock.
package mark

import (
	"context"
	"regexp"
	"time"
)

// Parse is the stage that is Tidemark's own.
const Parse Stage = "parse"

// ChannelID is Telegram's bare, positive channel id.
type ChannelID int64

// Stage is the name of a pipeline stage.
type Stage string

var stagePattern = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,62}$`)

// Key names a mark.
type Key struct {
	Channel ChannelID
	Stage   Stage
}

// State tells "asked, nothing new" from "could not ask".
type State string

// The states; a mark that exists always has one.
const (
	Active  State = "active"
	Idle    State = "idle"
	Blocked State = "blocked"
)

// Mark is where a channel stands in a stage.
type Mark struct {
	Key
	Coverage Coverage
	// Unavailable are ids that the source was asked for in vain, more than once: never covered ones, and not to be asked for until rewound.
	Unavailable Coverage
	State       State
	Reason      string // machine-readable, only when Blocked
	Floor       int64  // lowest id of the task, 0 while the bottom was not reached
	Top         int64  // highest id known to exist, 0 when unknown
	HeadAt      time.Time
	CheckedAt   time.Time // the source answered
	AttemptedAt time.Time // somebody tried to ask it
	AdvancedAt  time.Time
	RunToken    int64
	Generation  int64 // from 1
	Version     int64 // grows with every change; 0 for a mark that is not stored
}

// Bottom is the lowest id that belongs to the task, as far as is known.
func (m Mark) Bottom() int64 { return max(m.Floor, 1) }

// End is the highest id that belongs to the task, as far as is known.
func (m Mark) End() int64 { return max(m.Coverage.Head(), m.Top) }

// Holes are the ids of the task that are not covered.
func (m Mark) Holes() []Range { return m.Coverage.Holes(m.Bottom(), m.End()) }

// Covered is how many ids of the task are covered.
func (m Mark) Covered() int64 { return m.Coverage.Count(m.Bottom(), m.End()) }

// Expected is how many ids the task has.
func (m Mark) Expected() int64 { return max(m.End()-m.Bottom()+1, 0) }

// Missing is how many ids of the task are not covered.
func (m Mark) Missing() int64 { return m.Expected() - m.Covered() }

// Filter chooses marks for a list.
type Filter struct {
	Stage         Stage     // empty: all
	State         State     // empty: all
	CheckedBefore time.Time // zero: all
}

// Reader looks at marks.
type Reader interface {
	// Get answers the marks that exist, in the order asked.
	Get(ctx context.Context, keys []Key) ([]Mark, error)
	// Versions answers the versions of the marks that exist; far cheaper than the marks where they are wide.
	Versions(ctx context.Context, keys []Key) (map[Key]int64, error)
	// List answers at most limit marks behind after, ordered by stage and channel.
	List(ctx context.Context, f Filter, after Key, limit int) ([]Mark, error)
}

// Store keeps marks. It applies the rules of this package under a lock of its own per mark.
type Store interface {
	Reader
	// Advance applies steps, each by itself: one Result per step, same order. The error is for all of them.
	Advance(ctx context.Context, steps []Step, now time.Time) ([]Result, error)
	// Check applies checks.
	Check(ctx context.Context, checks []Check) error
	// Rewind applies a rewind and keeps an audit row.
	Rewind(ctx context.Context, r Rewind, now time.Time) (Mark, error)
}

// Result is the outcome of one step.
type Result struct {
	Mark  Mark
	Added int64 // ids that were not covered before
	Err   error // of this package
}
