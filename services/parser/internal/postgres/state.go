package postgres

import "context"

// Quarantined counts the messages that are kept because they could not be read.
func (o *Outbox) Quarantined(ctx context.Context) (n int64, err error) {
	err = o.pool.QueryRow(ctx, "SELECT count(*) FROM parser.quarantine WHERE failures >= 2").Scan(&n)
	return n, failed("count the quarantine", err)
}
