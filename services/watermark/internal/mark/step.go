package mark

import (
	"errors"
	"fmt"
	"time"
)

// Why a request is refused.
var (
	// ErrUnknown: nothing was ever reported for that channel and stage.
	ErrUnknown = errors.New("no such watermark")
	// ErrStaleRun: a newer run has reported already.
	ErrStaleRun = errors.New("a newer run has reported already")
	// ErrStaleGeneration: the mark was rewound after the run was planned.
	ErrStaleGeneration = errors.New("the watermark was rewound in between")
	// ErrEtag: the mark changed since it was read.
	ErrEtag = errors.New("the watermark changed in between")
	// ErrDown: the store does not answer.
	ErrDown = errors.New("the watermark store cannot be reached")
)

// MaxID is the highest message id Telegram can have: 31 bits.
const MaxID = 1<<31 - 1

// FieldError is a request that means nothing, naming the field.
type FieldError struct{ Field, Problem string }

// Error says which field, and what is wrong.
func (e *FieldError) Error() string { return e.Field + ": " + e.Problem }

// Step moves a mark forward.
type Step struct {
	Key
	Covered     []Range
	Unavailable []Range // asked for in vain
	RunToken    int64   // 0: no run
	Generation  int64   // 0: not checked
	Version     int64   // the version that was read; 0: not checked
	Floor       int64   // 0: unchanged
	Top         int64   // 0: unchanged
	HeadAt      time.Time
}

// Validate refuses what no mark could take.
func (s Step) Validate() error {
	if err := s.Key.Validate(); err != nil {
		return err
	}
	if err := errors.Join(validate("covered", s.Covered), validate("unavailable", s.Unavailable)); err != nil {
		return err
	}
	for _, f := range []struct {
		name  string
		value int64
		most  int64
	}{{"run_token", s.RunToken, 1<<63 - 1}, {"generation", s.Generation, 1<<63 - 1}, {"floor_id", s.Floor, MaxID}, {"top_id", s.Top, MaxID}} {
		if f.value < 0 || f.value > f.most {
			return &FieldError{f.name, fmt.Sprintf("%d is out of range", f.value)}
		}
	}
	return nil
}

// Validate refuses a key that names nothing.
func (k Key) Validate() error {
	switch {
	case k.Channel <= 0:
		return &FieldError{"channel_id", "must be a positive Telegram channel id"}
	case !stagePattern.MatchString(string(k.Stage)):
		return &FieldError{"stage", "must match " + stagePattern.String()}
	}
	return nil
}

// validate names the first range of a list that is none.
func validate(field string, ranges []Range) error {
	for i, r := range ranges {
		if err := r.validate(fmt.Sprintf("%s[%d]", field, i)); err != nil {
			return err
		}
	}
	return nil
}

func (r Range) validate(field string) error {
	if r.First < 1 || r.Last < r.First || r.Last > MaxID {
		return &FieldError{field, fmt.Sprintf("%d to %d is no range of message ids: want 1 <= first <= last <= %d", r.First, r.Last, MaxID)}
	}
	return nil
}

// Advance is the rule of moving forward. A step that brings nothing new changes nothing, not even the version. New ids make a mark
// Active, also a Blocked one; a higher top wakes an Idle one; otherwise the state stays.
func (m Mark) Advance(s Step, now time.Time) (Mark, error) {
	if err := m.admits(s); err != nil {
		return m, err
	}
	next := m.orNew(s.Key)
	next.Coverage = next.Coverage.Add(s.Covered...)
	if len(s.Unavailable) > 0 || len(next.Unavailable.ranges) > 0 {
		next.Unavailable = next.Unavailable.Add(s.Unavailable...).Remove(next.Coverage.ranges...)
	}
	next.RunToken = max(next.RunToken, s.RunToken)
	next.Top = max(next.Top, s.Top)
	next.HeadAt = later(next.HeadAt, kept(s.HeadAt))
	if s.Floor > 0 && (next.Floor == 0 || s.Floor < next.Floor) {
		next.Floor = s.Floor
	}
	if grew := !next.Coverage.Equal(m.Coverage); grew {
		next.AdvancedAt = kept(now)
		next.State, next.Reason = Active, ""
	}
	return next.awake().settled(m), nil
}

// Take is Advance as a Result.
func (m Mark) Take(s Step, now time.Time) Result {
	next, err := m.Advance(s, now)
	return Result{Mark: next, Added: next.Coverage.Count(1, MaxID) - m.Coverage.Count(1, MaxID), Err: err}
}

func (m Mark) admits(s Step) error {
	switch {
	case s.Version != 0 && s.Version != m.Version:
		return ErrEtag
	case s.Generation != 0 && m.Version != 0 && s.Generation != m.Generation:
		return ErrStaleGeneration
	case s.RunToken != 0 && s.RunToken < m.RunToken:
		return ErrStaleRun
	}
	return nil
}

// orNew is the mark, or a first one for the key.
func (m Mark) orNew(k Key) Mark {
	if m.Version == 0 {
		return Mark{Key: k, State: Active, Generation: 1}
	}
	return m
}

// awake is the mark, never Idle while something is known to wait above its head.
func (m Mark) awake() Mark {
	if m.State == Idle && m.Top > m.Coverage.Head() {
		m.State = Active
	}
	return m
}

// settled counts a version when anything changed since before.
func (m Mark) settled(before Mark) Mark {
	if m.same(before) {
		return before
	}
	m.Version++
	return m
}

func (m Mark) same(o Mark) bool {
	return m.Version != 0 && m.Key == o.Key && m.Coverage.Equal(o.Coverage) && m.Unavailable.Equal(o.Unavailable) && m.State == o.State && m.Reason == o.Reason &&
		m.Floor == o.Floor && m.Top == o.Top && m.RunToken == o.RunToken && m.Generation == o.Generation &&
		m.HeadAt.Equal(o.HeadAt) && m.CheckedAt.Equal(o.CheckedAt) && m.AttemptedAt.Equal(o.AttemptedAt) && m.AdvancedAt.Equal(o.AdvancedAt)
}

// kept is an instant as marks keep it: in UTC, to the microsecond. Postgres has no finer one, and an instant that is finer than its own
// copy would look newer for ever.
func kept(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
