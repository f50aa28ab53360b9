package plan

import (
	"context"
	"time"
)

// Outcome is how a run ended.
type Outcome string

// The outcomes; a run that goes on is Running.
const (
	Done      Outcome = "done"    // all it set out to read is covered
	More      Outcome = "more"    // its slice is done, another follows
	Waiting   Outcome = "waiting" // Telegram asked to wait
	OutBarred Outcome = "blocked" // the channel cannot be read
	OutFailed Outcome = "failed"  // something of ours failed
	Lost      Outcome = "lost"    // the process died, or a newer run took over
	Running   Outcome = "running"
)

// Run is one bounded piece of work on one channel.
type Run struct {
	ID                            RunID
	Channel                       ChannelID
	Mode                          Mode
	Outcome                       Outcome
	StartedAt, FinishedAt         time.Time
	New, Changed, Messages, Pages int
	Covered                       int64 // ids that coverage gained
	Reason, Message, Stage        string
	ResumeAt                      time.Time
	Sequence                      int64 // counts runs as they end, from 1; 0 while it goes on
}

// Next is what follows a look at a channel.
type Next struct {
	Channel  ChannelID
	State    State
	Reason   string
	At       time.Time // of the next look
	Checked  time.Time // zero: Telegram did not answer
	Advanced time.Time // zero: nothing new
	Failures int
	Queue    bool // a job is to be queued

	Pts, PtsTop int64    // after a turn: see Channel
	Rereads     []Reread // after a turn: as they are now, each put down only if nobody changed it since it was read
}

// Store keeps channels and runs. What decides about claims is the store's clock, not ours.
type Store interface {
	// Due answers channels whose time has come or whose worker died, the longest due first, paused and claimed ones left out. Runs that the dead
	// left open are closed as Lost.
	Due(ctx context.Context, now time.Time, limit int) ([]Channel, error)
	// Settle records what follows, and queues jobs in the same transaction.
	Settle(ctx context.Context, next []Next) error
	// Claim makes the channel this owner's for ttl. ErrTaken when it is another's; ErrUnknown when it is paused or not followed.
	Claim(ctx context.Context, channel ChannelID, owner string, ttl time.Duration) (Channel, error)
	// Renew prolongs a claim; ErrTaken when it was lost.
	Renew(ctx context.Context, channel ChannelID, owner string, ttl time.Duration) error
	// Release ends a claim with what follows.
	Release(ctx context.Context, owner string, next Next) error
	// Ask puts a stretch of a followed channel down to be read again, joined with one that waits, and answers what waits now. ErrUnknown.
	Ask(ctx context.Context, channel ChannelID, ids Range, now time.Time) (Range, error)
	// Begin opens a run, and closes those of the channel that were left open as Lost.
	Begin(ctx context.Context, channel ChannelID, mode Mode, now time.Time) (RunID, error)
	// End closes a run.
	End(ctx context.Context, r Run) error
}

// Policy are the settings that the core needs.
type Policy struct {
	SlicePages int             // pages per slice
	RunTimeout time.Duration   // for one slice
	Turn       time.Duration   // a worker stays with a channel this long before it lets another have its place
	ClaimTTL   time.Duration   // a worker that is silent for this long has lost its channel
	Lookback   []time.Duration // ages at which posts are read again, ascending
}

const (
	// barredMost caps how rarely a channel that cannot be read is asked about.
	barredMost = 6 * time.Hour
	// noReaderMost is how long after a login reading starts at the latest.
	noReaderMost = 5 * time.Second
	// failedFirst is the first pause after a failure of ours.
	failedFirst = time.Second
)

// after is when to look again at a channel that met a problem.
func (c Channel) after(p *Problem, now time.Time) time.Time {
	switch p.Kind {
	case Flooded:
		return now.Add(max(p.Retry, time.Second))
	case Restarted:
		return now
	case NoReader:
		return now.Add(min(c.Interval, noReaderMost))
	case Barred, Refused:
		return now.Add(doubled(c.Interval, c.Failures, max(barredMost, c.Interval)))
	}
	return now.Add(doubled(failedFirst, c.Failures, c.Interval))
}

// doubled is first, doubled n times, and at most most: step by step, for a shift would overflow at long intervals.
func doubled(first time.Duration, n int, most time.Duration) time.Duration {
	for ; n > 0 && first < most; n-- {
		first *= 2
	}
	return min(first, most)
}

// failed counts a problem: waiting for a login, for Telegram or for a newer run to end is no failure.
func (c Channel) failed(p *Problem) int {
	if p.Kind == NoReader || p.Kind == Flooded || p.Kind == Stale || p.Kind == Restarted {
		return c.Failures
	}
	return c.Failures + 1
}

// regular is when to look again at a channel after an answer: its interval, a little off by its id, so that channels that were added
// together do not all come due together.
func (c Channel) regular(now time.Time) time.Time {
	tenth := int64(c.Interval / 10)
	if tenth == 0 {
		return now.Add(c.Interval)
	}
	spread := int64(uint64(c.ID)*0x9E3779B97F4A7C15>>1)%(2*tenth+1) - tenth
	return now.Add(c.Interval + time.Duration(spread))
}
