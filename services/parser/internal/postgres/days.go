package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidemark/tidemark/kit/pg"
)

// daysAhead is how many days of events are made before they begin, so that the service can be down for some. Events outside all days
// land in a default partition.
const daysAhead = 7

const day = 24 * time.Hour

// KeepDays makes the partitions of events for the days to come, and drops those that ended longer than keep ago and are published.
func (o *Outbox) KeepDays(ctx context.Context, now time.Time, keep time.Duration) error {
	today := now.UTC().Truncate(day)
	err := pg.InTx(ctx, o.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", daysLock); err != nil {
			return err
		}
		there, err := days(ctx, tx)
		if err != nil {
			return err
		}
		for d := today; !d.After(today.Add(daysAhead * day)); d = d.Add(day) {
			if there[d] {
				continue
			}
			if err := makeDay(ctx, tx, d); err != nil {
				return err
			}
		}
		for d := range there {
			if d.Add(day + keep).Before(now) {
				if err := dropDay(ctx, tx, d); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return failed("keep the days of events", err)
}

// daysLock keeps two services from making the same day.
const daysLock int64 = 0x7061_6461_7973

const (
	dayPrefix = "events_"
	dayLayout = "20060102"
)

func days(ctx context.Context, tx pgx.Tx) (map[time.Time]bool, error) {
	rows, err := tx.Query(ctx, `SELECT to_timestamp(substr(c.relname, 8) || '+00', 'YYYYMMDDTZH') FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'parser.events'::regclass AND c.relname ~ '^events_[0-9]{8}$'`)
	if err != nil {
		return nil, err
	}
	there := map[time.Time]bool{}
	var d time.Time
	_, err = pgx.ForEachRow(rows, []any{&d}, func() error { there[d] = true; return nil })
	return there, err
}

// makeDay moves what the default partition caught of the day, which would be in the way.
func makeDay(ctx context.Context, tx pgx.Tx, d time.Time) error {
	name := "parser." + dayPrefix + d.Format(dayLayout)
	from, to := d.Format(time.RFC3339), d.Add(day).Format(time.RFC3339)
	for _, sql := range []string{
		fmt.Sprintf("CREATE TABLE %s (LIKE parser.events INCLUDING DEFAULTS)", name),
		fmt.Sprintf(`WITH caught AS (DELETE FROM parser.events_default WHERE recorded_at >= '%s' AND recorded_at < '%s' RETURNING *)
INSERT INTO %s SELECT * FROM caught`, from, to, name),
		fmt.Sprintf("ALTER TABLE parser.events ATTACH PARTITION %s FOR VALUES FROM ('%s') TO ('%s')", name, from, to),
	} {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

func dropDay(ctx context.Context, tx pgx.Tx, d time.Time) error {
	name := "parser." + dayPrefix + d.Format(dayLayout)
	var unsent bool
	err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM "+name+" e, parser.relay r WHERE (e.tx, e.id) > (r.tx, r.id))").Scan(&unsent)
	if err != nil || unsent {
		return err
	}
	_, err = tx.Exec(ctx, "DROP TABLE "+name)
	return err
}
