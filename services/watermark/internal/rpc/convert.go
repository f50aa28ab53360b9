package rpc

import (
	"errors"
	"fmt"
	"strconv"

	typev1 "github.com/tidemark/tidemark/gen/tidemark/type/v1"
	watermarkv1 "github.com/tidemark/tidemark/gen/tidemark/watermark/v1"
	"github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/services/watermark/internal/mark"
)

const (
	// maxBatch bounds marks per call.
	maxBatch = 1000
	// maxRanges bounds ranges per advance.
	maxRanges = 1000
	// maxHoles bounds holes per answer.
	maxHoles = 10_000
	// supergroupPrefix is what the Bot API and many clients put before a channel's id: -100<id>.
	supergroupPrefix = -1_000_000_000_000
)

// toKey accepts -100... forms and gives an empty stage its meaning.
func toKey(channel int64, stage string) mark.Key {
	if channel < supergroupPrefix {
		channel = supergroupPrefix - channel
	}
	k := mark.Key{Channel: mark.ChannelID(channel), Stage: mark.Stage(stage)}
	if stage == "" {
		k.Stage = mark.Parse
	}
	return k
}

// toKeys names the one of a list that is malformed.
func toKeys(channels []int64, stage string) ([]mark.Key, error) {
	keys := make([]mark.Key, len(channels))
	for i, id := range channels {
		keys[i] = toKey(id, stage)
		var field *mark.FieldError
		switch err := keys[i].Validate(); {
		case errors.As(err, &field) && field.Field == "channel_id":
			return nil, &mark.FieldError{Field: fmt.Sprintf("channel_ids[%d]", i), Problem: field.Problem}
		case err != nil:
			return nil, err
		}
	}
	return keys, nil
}

// toFilter refuses what no mark can match: a misspelt filter must not read as none.
func toFilter(r *watermarkv1.ListWatermarksRequest) (mark.Filter, error) {
	f := mark.Filter{Stage: mark.Stage(r.GetStage()), State: states[r.GetState()], CheckedBefore: rpc.Time(r.GetCheckedBefore())}
	if r.GetState() != watermarkv1.WatermarkState_WATERMARK_STATE_UNSPECIFIED && f.State == "" {
		return f, &mark.FieldError{Field: "state", Problem: fmt.Sprintf("%d is no state: want ACTIVE, IDLE or BLOCKED, or leave it out for all", r.GetState())}
	}
	if f.Stage != "" {
		return f, mark.Key{Channel: 1, Stage: f.Stage}.Validate()
	}
	return f, nil
}

func toRanges(field string, in []*typev1.IdRange) ([]mark.Range, error) {
	if len(in) > maxRanges {
		return nil, &mark.FieldError{Field: field, Problem: fmt.Sprintf("%d ranges, at most %d go into one call", len(in), maxRanges)}
	}
	out := make([]mark.Range, len(in))
	for i, r := range in {
		out[i] = mark.Range{First: r.GetFirst(), Last: r.GetLast()}
	}
	return out, nil
}

func fromRanges(in []mark.Range) []*typev1.IdRange {
	out := make([]*typev1.IdRange, len(in))
	for i, r := range in {
		out[i] = fromRange(r)
	}
	return out
}

func fromRange(r mark.Range) *typev1.IdRange { return &typev1.IdRange{First: r.First, Last: r.Last} }

func toStep(r *watermarkv1.AdvanceWatermarkRequest) (mark.Step, error) {
	s := mark.Step{
		Key: toKey(r.GetChannelId(), r.GetStage()), RunToken: r.GetRunToken(), Generation: r.GetGeneration(),
		Floor: r.GetFloorId(), Top: r.GetTopId(), HeadAt: rpc.Time(r.GetHeadAt()),
	}
	var err error
	if s.Covered, err = toRanges("covered", r.GetCovered()); err != nil {
		return s, err
	}
	if s.Unavailable, err = toRanges("unavailable", r.GetUnavailable()); err != nil {
		return s, err
	}
	if s.Version, err = toVersion(r.GetEtag()); err != nil {
		return s, err
	}
	return s, s.Validate()
}

func toCheck(r *watermarkv1.Check) (mark.Check, error) {
	c := mark.Check{
		Key: toKey(r.GetChannelId(), r.GetStage()), State: states[r.GetState()], Reason: r.GetBlockedReason(), Top: r.GetTopId(), At: rpc.Time(r.GetAttemptedAt()),
	}
	return c, c.Validate()
}

func toRewind(r *watermarkv1.RewindWatermarkRequest) (mark.Rewind, error) {
	w := mark.Rewind{Key: toKey(r.GetChannelId(), r.GetStage()), Reason: r.GetReason(), All: r.GetAll()}
	var err error
	if w.Ranges, err = toRanges("ranges", r.GetRanges()); err != nil {
		return w, err
	}
	if w.Version, err = toVersion(r.GetEtag()); err != nil {
		return w, err
	}
	return w, w.Validate()
}

// An etag is the version in base 36: opaque enough that nobody counts with it.
func toEtag(version int64) string { return strconv.FormatInt(version, 36) }

func toVersion(etag string) (int64, error) {
	if etag == "" {
		return 0, nil
	}
	v, err := strconv.ParseInt(etag, 36, 64)
	if err != nil || v <= 0 {
		return 0, &mark.FieldError{Field: "etag", Problem: "is none that this service gave: read the watermark and pass its etag back"}
	}
	return v, nil
}

var states = map[watermarkv1.WatermarkState]mark.State{
	watermarkv1.WatermarkState_WATERMARK_STATE_ACTIVE:  mark.Active,
	watermarkv1.WatermarkState_WATERMARK_STATE_IDLE:    mark.Idle,
	watermarkv1.WatermarkState_WATERMARK_STATE_BLOCKED: mark.Blocked,
}

func fromState(s mark.State) watermarkv1.WatermarkState {
	for wire, core := range states {
		if core == s {
			return wire
		}
	}
	return watermarkv1.WatermarkState_WATERMARK_STATE_UNSPECIFIED
}

func fromMark(m mark.Mark) *watermarkv1.Watermark {
	return &watermarkv1.Watermark{
		ChannelId: int64(m.Channel), Stage: string(m.Stage), State: fromState(m.State), BlockedReason: m.Reason,
		HeadId: m.Coverage.Head(), ContiguousId: m.Coverage.Contiguous(m.Bottom()), FloorId: m.Floor, TopId: m.Top, MissingCount: m.Missing(),
		HeadAt: rpc.Stamp(m.HeadAt), CheckedAt: rpc.Stamp(m.CheckedAt), AttemptedAt: rpc.Stamp(m.AttemptedAt), AdvancedAt: rpc.Stamp(m.AdvancedAt),
		RunToken: m.RunToken, Generation: m.Generation, Etag: toEtag(m.Version),
	}
}

func fromMarks(marks []mark.Mark) []*watermarkv1.Watermark {
	out := make([]*watermarkv1.Watermark, len(marks))
	for i, m := range marks {
		out[i] = fromMark(m)
	}
	return out
}

func fromCoverage(m mark.Mark) *watermarkv1.Coverage {
	return &watermarkv1.Coverage{Ranges: fromRanges(m.Coverage.Ranges()), Unavailable: fromRanges(m.Unavailable.Ranges())}
}

// fromHoles cuts holes where their cause changes. It answers the first maxHoles, and whether there are more.
func fromHoles(m mark.Mark) (holes []*watermarkv1.Hole, cut bool) {
	cause := watermarkv1.HoleCause_HOLE_CAUSE_PENDING
	if m.State == mark.Blocked {
		cause = watermarkv1.HoleCause_HOLE_CAUSE_BLOCKED
	}
	for _, hole := range m.Holes() {
		pending := m.Unavailable.Holes(hole.First, hole.Last)
		gone := mark.NewCoverage(hole).Remove(pending...).Ranges()
		for len(pending)+len(gone) > 0 {
			if len(holes) == maxHoles {
				return holes, true
			}
			if len(gone) == 0 || len(pending) > 0 && pending[0].First < gone[0].First {
				holes = append(holes, &watermarkv1.Hole{Range: fromRange(pending[0]), Cause: cause})
				pending = pending[1:]
				continue
			}
			holes = append(holes, &watermarkv1.Hole{Range: fromRange(gone[0]), Cause: watermarkv1.HoleCause_HOLE_CAUSE_UNAVAILABLE})
			gone = gone[1:]
		}
	}
	return holes, false
}
