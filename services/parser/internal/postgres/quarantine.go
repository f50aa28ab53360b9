package postgres

import (
	"context"

	"github.com/tidemark/tidemark/services/parser/internal/ingest"
	"github.com/tidemark/tidemark/services/parser/internal/postgres/db"
)

var _ ingest.Quarantine = (*Posts)(nil)

// Quarantined is ingest.Quarantine's.
func (s *Posts) Quarantined(ctx context.Context, channel ingest.ChannelID, after ingest.Quarantined, limit int, raw bool) ([]ingest.Quarantined, error) {
	rows, err := db.New(s.pool).ListQuarantined(ctx, db.ListQuarantinedParams{
		ChannelID: int64(channel), AfterChannel: int64(after.Channel), AfterMessage: int64(after.Message), Most: int32(limit), WithRaw: raw,
	})
	found := make([]ingest.Quarantined, len(rows))
	for i, r := range rows {
		found[i] = ingest.Quarantined{
			Channel: ingest.ChannelID(r.ChannelID), Message: ingest.MessageID(r.MessageID), Last: ingest.MessageID(r.LastID), Problem: r.Problem, Raw: r.Raw,
			FirstFailed: r.FirstSeenAt, LastFailed: r.LastSeenAt, Failures: int(r.Failures),
		}
	}
	return found, failed("list what is in quarantine", err)
}
