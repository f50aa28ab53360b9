package mark

import (
	"fmt"
	"time"
)

// Check tells what became of asking about a channel. It moves AttemptedAt, with an answer CheckedAt, and the state; never coverage.
type Check struct {
	Key
	State  State
	Reason string // required when Blocked, empty otherwise
	Top    int64  // 0: not said
	At     time.Time
}

// Validate refuses a check that says nothing, or two things.
func (c Check) Validate() error {
	if err := c.Key.Validate(); err != nil {
		return err
	}
	switch {
	case c.State != Active && c.State != Idle && c.State != Blocked:
		return &FieldError{"state", "must be ACTIVE, IDLE or BLOCKED"}
	case c.State == Blocked && c.Reason == "":
		return &FieldError{"blocked_reason", "is required with BLOCKED"}
	case c.State != Blocked && c.Reason != "":
		return &FieldError{"blocked_reason", "goes with BLOCKED only"}
	case len(c.Reason) > 64:
		return &FieldError{"blocked_reason", "is longer than 64 characters"}
	case c.At.IsZero():
		return &FieldError{"attempted_at", "is required"}
	case c.Top < 0 || c.Top > MaxID:
		return &FieldError{"top_id", fmt.Sprintf("%d is out of range", c.Top)}
	}
	return nil
}

// Check is the rule of heartbeats. An older check than the last changes nothing. Nothing new is only said of a mark that covers
// its top: otherwise something known still waits, and the mark is Active.
func (m Mark) Check(c Check) Mark {
	at := kept(c.At)
	if m.Version != 0 && !at.After(m.AttemptedAt) {
		return m
	}
	next := m.orNew(c.Key)
	next.AttemptedAt, next.State, next.Reason = at, c.State, c.Reason
	if c.State != Blocked {
		next.CheckedAt = at
	}
	next.Top = max(next.Top, c.Top)
	return next.awake().settled(m)
}

// Rewind takes coverage back, so that it is done again.
type Rewind struct {
	Key
	Ranges  []Range // none with All
	All     bool
	Reason  string // for the audit, 1 to 500 characters
	Version int64  // the version that was read, required
}

// Validate refuses a rewind without a reason or done blindly.
func (r Rewind) Validate() error {
	if err := r.Key.Validate(); err != nil {
		return err
	}
	switch n := len([]rune(r.Reason)); {
	case n == 0:
		return &FieldError{"reason", "is required: it goes into the audit"}
	case n > 500:
		return &FieldError{"reason", "is longer than 500 characters"}
	case r.Version <= 0:
		return &FieldError{"etag", "is required: read the watermark first"}
	case r.All && len(r.Ranges) > 0:
		return &FieldError{"ranges", "goes without `all`: give one of them"}
	case !r.All && len(r.Ranges) == 0:
		return &FieldError{"ranges", "is required, or `all`: say what to take back"}
	}
	return validate("ranges", r.Ranges)
}

// Rewind is the rule of moving back: a new generation, so that runs planned before it are refused. What no longer holds is forgotten: the
// head's date with the head, the floor with the last id, and with everything also what is known to exist: the next answer tells. Ids that were
// unavailable are asked for again. A Blocked mark stays so, because nobody asked.
func (m Mark) Rewind(r Rewind) (Mark, error) {
	switch {
	case m.Version == 0:
		return m, ErrUnknown
	case m.Version != r.Version:
		return m, ErrEtag
	}
	next := m
	next.Coverage = next.Coverage.Remove(r.Ranges...)
	next.Unavailable = next.Unavailable.Remove(r.Ranges...)
	if r.All {
		next.Coverage, next.Unavailable, next.Top = Coverage{}, Coverage{}, 0
	}
	if next.Coverage.Head() < m.Coverage.Head() {
		next.HeadAt = time.Time{}
	}
	if next.Coverage.Head() == 0 {
		next.Floor, next.HeadAt = 0, time.Time{}
	}
	if next.State != Blocked {
		next.State = Active
	}
	next.Generation++
	next.Version++
	return next, nil
}
