// Package postgres keeps marks in Postgres. The rules are the core's; this room locks, loads, saves, and turns rows into marks.
package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidemark/tidemark/kit/pg"
	"github.com/tidemark/tidemark/services/watermark/internal/mark"
	"github.com/tidemark/tidemark/services/watermark/internal/postgres/db"
)

// Schema is the Postgres schema that this service alone writes.
const Schema = "watermark"

//go:embed migrations/*.sql
var migrations embed.FS

// Store keeps marks; it is a mark.Store.
type Store struct{ pool *pgxpool.Pool }

var _ mark.Store = (*Store)(nil)

// New makes a store on a migrated database.
func New(pool *pgxpool.Pool) *Store { return &Store{pool} }

// Get answers the marks that exist, in the order asked.
func (s *Store) Get(ctx context.Context, keys []mark.Key) ([]mark.Mark, error) {
	rows, err := db.New(s.pool).GetMarks(ctx, db.GetMarksParams(columns(keys)))
	if err != nil {
		return nil, failed("read marks", err)
	}
	found := make(map[mark.Key]mark.Mark, len(rows))
	for _, r := range rows {
		m := toMark(r)
		found[m.Key] = m
	}
	marks := make([]mark.Mark, 0, len(keys))
	for _, k := range keys {
		if m, ok := found[k]; ok {
			marks = append(marks, m)
		}
	}
	return marks, nil
}

// Versions answers the versions of the marks that exist.
func (s *Store) Versions(ctx context.Context, keys []mark.Key) (map[mark.Key]int64, error) {
	rows, err := db.New(s.pool).GetVersions(ctx, db.GetVersionsParams(columns(keys)))
	if err != nil {
		return nil, failed("read versions", err)
	}
	versions := make(map[mark.Key]int64, len(rows))
	for _, r := range rows {
		versions[mark.Key{Channel: mark.ChannelID(r.ChannelID), Stage: mark.Stage(r.Stage)}] = r.Version
	}
	return versions, nil
}

// List answers a page of marks behind after.
func (s *Store) List(ctx context.Context, f mark.Filter, after mark.Key, limit int) ([]mark.Mark, error) {
	rows, err := db.New(s.pool).ListMarks(ctx, db.ListMarksParams{
		AfterStage: string(after.Stage), AfterChannel: int64(after.Channel), Stage: string(f.Stage), State: string(f.State),
		CheckedBefore: present(f.CheckedBefore), Most: int32(limit),
	})
	if err != nil {
		return nil, failed("list marks", err)
	}
	marks := make([]mark.Mark, len(rows))
	for i, r := range rows {
		marks[i] = toMark(db.GetMarksRow(r))
	}
	return marks, nil
}

// Advance applies steps in the order given, each by itself.
func (s *Store) Advance(ctx context.Context, steps []mark.Step, now time.Time) ([]mark.Result, error) {
	keys := make([]mark.Key, len(steps))
	for i, step := range steps {
		keys[i] = step.Key
	}
	results := make([]mark.Result, len(steps))
	err := s.change(ctx, keys, func(marks map[mark.Key]mark.Mark) {
		for i, step := range steps {
			results[i] = marks[step.Key].Take(step, now)
			marks[step.Key] = results[i].Mark
		}
	})
	if err != nil {
		return nil, failed("advance marks", err)
	}
	return results, nil
}

// Check applies checks.
func (s *Store) Check(ctx context.Context, checks []mark.Check) error {
	keys := make([]mark.Key, len(checks))
	for i, c := range checks {
		keys[i] = c.Key
	}
	err := s.change(ctx, keys, func(marks map[mark.Key]mark.Mark) {
		for _, c := range checks {
			marks[c.Key] = marks[c.Key].Check(c)
		}
	})
	if err != nil {
		return failed("record checks", err)
	}
	return nil
}

// Rewind applies a rewind and keeps its audit row, in one transaction.
func (s *Store) Rewind(ctx context.Context, r mark.Rewind, now time.Time) (rewound mark.Mark, err error) {
	err = pg.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		q := db.New(tx)
		marks, err := lock(ctx, q, []mark.Key{r.Key})
		if err != nil {
			return err
		}
		before := marks[r.Key]
		if rewound, err = before.Rewind(r); err != nil {
			return err
		}
		if err := save(ctx, q, []mark.Mark{rewound}); err != nil {
			return err
		}
		return q.AuditRewind(ctx, db.AuditRewindParams{
			ChannelID: int64(r.Channel), Stage: string(r.Stage), Reason: r.Reason, Generation: rewound.Generation, RewoundAt: now,
			Removed: toMultirange(before.Coverage.Remove(rewound.Coverage.Ranges()...)),
		})
	})
	if err != nil {
		return mark.Mark{}, failed("rewind a mark", err)
	}
	return rewound, nil
}

// errNew says that some marks have no row to lock yet.
var errNew = errors.New("marks without a row")

// change locks the marks of some keys, lets fn change them, and saves those that it did change.
//
// New marks get their rows in a statement of its own, before the transaction that locks: whoever makes rows holds no locks, whoever holds
// locks makes no rows, and both go in one order. So writers may wait for each other, but never in a circle.
func (s *Store) change(ctx context.Context, keys []mark.Key, fn func(map[mark.Key]mark.Mark)) error {
	err := s.changeExisting(ctx, keys, fn)
	if !errors.Is(err, errNew) {
		return err
	}
	if err := db.New(s.pool).CreateMarks(ctx, db.CreateMarksParams(columns(keys))); err != nil {
		return err
	}
	return s.changeExisting(ctx, keys, fn)
}

func (s *Store) changeExisting(ctx context.Context, keys []mark.Key, fn func(map[mark.Key]mark.Mark)) error {
	return pg.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		q := db.New(tx)
		marks, err := lock(ctx, q, keys)
		if err != nil {
			return err
		}
		before := map[mark.Key]int64{}
		for _, k := range keys {
			m, ok := marks[k]
			if !ok {
				return errNew
			}
			before[k] = m.Version
		}
		fn(marks)
		var changed []mark.Mark
		for k, m := range marks {
			if m.Version != before[k] {
				changed = append(changed, m)
			}
		}
		return save(ctx, q, changed)
	})
}

func lock(ctx context.Context, q *db.Queries, keys []mark.Key) (map[mark.Key]mark.Mark, error) {
	rows, err := q.LockMarks(ctx, db.LockMarksParams(columns(keys)))
	marks := make(map[mark.Key]mark.Mark, len(rows))
	for _, r := range rows {
		m := toMark(db.GetMarksRow(r))
		marks[m.Key] = m
	}
	return marks, err
}

func save(ctx context.Context, q *db.Queries, marks []mark.Mark) error {
	if len(marks) == 0 {
		return nil
	}
	args := make([]db.SaveMarkParams, len(marks))
	for i, m := range marks {
		args[i] = fromMark(m)
	}
	var failures error
	q.SaveMark(ctx, args).Exec(func(_ int, err error) { failures = errors.Join(failures, err) })
	return failures
}

// failed says what we were doing; a server that does not answer is the core's ErrDown.
func failed(doing string, err error) error {
	if pg.IsUnavailable(err) {
		return fmt.Errorf("%s: %w: %w", doing, mark.ErrDown, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
