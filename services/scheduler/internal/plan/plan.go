// Package plan is the core of the scheduler: which channel is due, what of it is to be read, and how one bounded piece of that is run.
//
// Deciding is a pure function of the mark, the probe and the policy. What is read is always named by id ranges: what is not covered
// is read, whatever time has passed, and no window ever clips a range. A run parses first and advances the mark after, so a mark may
// lag the data and never lead it; a run that dies leaves nothing to repair, the next one is planned from what is covered.
package plan

import (
	"context"
	"time"
)

// ChannelID is Telegram's bare, positive channel id.
type ChannelID int64

// RunID numbers runs; it grows and is the run token that the watermark checks.
type RunID int64

// Range is a run of message ids, both ends inside.
type Range struct{ First, Last int64 }

// Mode says why a channel is read.
type Mode string

// The modes.
const (
	Historical  Mode = "historical"
	Incremental Mode = "incremental"
	CatchUp     Mode = "catch_up"
	Refresh     Mode = "refresh"
	Skip        Mode = "skip"
)

// State is how a channel is.
type State string

// The states. Idle is only said after Telegram answered; Blocked when it could not be asked.
const (
	New     State = "new"
	Active  State = "active"
	Idle    State = "idle"
	Blocked State = "blocked"
	Paused  State = "paused"
)

// Channel is a channel that is followed.
type Channel struct {
	ID         ChannelID
	Username   string
	Title      string
	Supergroup bool
	Protected  bool
	State      State
	Reason     string // with Blocked: machine-readable
	Note       string // with Paused
	Interval   time.Duration
	Horizon    Horizon
	NextRunAt  time.Time // zero while paused
	CheckedAt  time.Time
	AdvancedAt time.Time
	Failures   int // in a row
	CreatedAt  time.Time
	Rereads    []Reread
	Pts        int64 // Telegram's event counter that everything read accounts for; 0 when unknown
	PtsTop     int64 // the channel's top at that moment
}

// Horizon is how far back the first read goes; the zero Horizon is all there is.
type Horizon struct {
	Age      time.Duration // back from Channel.CreatedAt
	Messages int64         // ids back from the top at the first read
}

// Mark is what the watermark says of a channel.
type Mark struct {
	Covered     []Range // ascending, disjoint, not adjacent
	Unavailable []Range // asked for in vain, more than once: ascending, disjoint, not covered
	Floor       int64   // lowest id of the task, 0 while the bottom was not reached
	Top         int64   // highest id known to exist
	Generation  int64   // 0 when there is no mark yet
	Etag        string  // what it is rewound by
}

func (m Mark) head() int64 {
	if len(m.Covered) == 0 {
		return 0
	}
	return m.Covered[len(m.Covered)-1].Last
}

// Probe is what Telegram said of a channel's end, or why it could not be asked.
type Probe struct {
	Top int64
	Pts int64 // grows with every post, edit and deletion; 0 when unknown
	Err error // a *Problem
}

// Slice is one bounded read.
type Slice struct {
	Channel      ChannelID
	Mode         Mode
	Ranges       []Range
	MaxPages     int
	Run          RunID
	HorizonSince time.Time // zero: none
	KnownTop     int64     // ids up to here are known to have existed
}

// Read is what a slice brought.
type Read struct {
	Covered                       []Range
	Wait                          time.Duration // Telegram asks to wait, for WaitReason
	WaitReason                    string
	New, Changed, Messages, Pages int
	Deleted                       int
	HeadAt                        time.Time
	Floor, Top                    int64
}

// Advance is a mark's step forward.
type Advance struct {
	Channel    ChannelID
	Run        RunID
	Generation int64
	Covered    []Range
	Floor, Top int64
	HeadAt     time.Time

	Unavailable []Range
}

// Check is a heartbeat for the watermark.
type Check struct {
	Channel ChannelID
	State   State // Active, Idle or Blocked
	Reason  string
	Top     int64
	At      time.Time
}

// Parser reads Telegram. Its errors are *Problem.
type Parser interface {
	// Resolve turns a reference into a channel; only its description is filled.
	Resolve(ctx context.Context, ref string) (Channel, error)
	// Probe answers one Probe per channel, same order.
	Probe(ctx context.Context, channels []ChannelID) ([]Probe, error)
	// Parse reads a slice.
	Parse(ctx context.Context, s Slice) (Read, error)
}

// Marks keeps coverage. Its errors are *Problem.
type Marks interface {
	// Get answers the marks that exist.
	Get(ctx context.Context, channels []ChannelID) (map[ChannelID]Mark, error)
	// Advance moves a mark forward.
	Advance(ctx context.Context, a Advance) error
	// Rewind takes all of a channel's coverage back, if its mark is still the one that was read.
	Rewind(ctx context.Context, channel ChannelID, etag, reason string) error
	// Check reports heartbeats.
	Check(ctx context.Context, checks []Check) error
}
