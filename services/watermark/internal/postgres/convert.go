package postgres

import (
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/tidemark/tidemark/services/watermark/internal/mark"
	"github.com/tidemark/tidemark/services/watermark/internal/postgres/db"
)

type keyColumns struct {
	ChannelIds []int64 //nolint:revive // as sqlc names it, so that the struct converts
	Stages     []string
}

func columns(keys []mark.Key) (c keyColumns) {
	for _, k := range keys {
		c.ChannelIds = append(c.ChannelIds, int64(k.Channel))
		c.Stages = append(c.Stages, string(k.Stage))
	}
	return c
}

func toMark(r db.GetMarksRow) mark.Mark {
	return mark.Mark{
		Key:      mark.Key{Channel: mark.ChannelID(r.ChannelID), Stage: mark.Stage(r.Stage)},
		Coverage: toCoverage(r.Firsts, r.Ends), State: mark.State(r.State), Reason: r.Reason, Floor: r.FloorID, Top: r.TopID,
		HeadAt: instant(r.HeadAt), CheckedAt: instant(r.CheckedAt), AttemptedAt: instant(r.AttemptedAt), AdvancedAt: instant(r.AdvancedAt),
		RunToken: r.RunToken, Generation: r.Generation, Version: r.Version, Unavailable: toCoverage(r.UnavailableFirsts, r.UnavailableEnds),
	}
}

func fromMark(m mark.Mark) db.SaveMarkParams {
	return db.SaveMarkParams{
		ChannelID: int64(m.Channel), Stage: string(m.Stage), Covered: toMultirange(m.Coverage), State: string(m.State), Reason: m.Reason,
		FloorID: m.Floor, TopID: m.Top, HeadAt: present(m.HeadAt), CheckedAt: present(m.CheckedAt), AttemptedAt: present(m.AttemptedAt), AdvancedAt: present(m.AdvancedAt),
		RunToken: m.RunToken, Generation: m.Generation, Version: m.Version, Unavailable: toMultirange(m.Unavailable),
	}
}

// toCoverage reads Postgres's canonical form: lower end inside, upper end outside.
func toCoverage(firsts, ends []int64) mark.Coverage {
	covered := make([]mark.Range, len(firsts))
	for i, first := range firsts {
		covered[i] = mark.Range{First: first, Last: ends[i] - 1}
	}
	return mark.NewCoverage(covered...)
}

func toMultirange(c mark.Coverage) pgtype.Multirange[pgtype.Range[pgtype.Int8]] {
	ranges := make(pgtype.Multirange[pgtype.Range[pgtype.Int8]], 0)
	for _, r := range c.Ranges() {
		ranges = append(ranges, pgtype.Range[pgtype.Int8]{
			Lower: pgtype.Int8{Int64: r.First, Valid: true}, LowerType: pgtype.Inclusive,
			Upper: pgtype.Int8{Int64: r.Last + 1, Valid: true}, UpperType: pgtype.Exclusive, Valid: true,
		})
	}
	return ranges
}

func instant(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

func present(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
