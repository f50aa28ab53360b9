package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
)

const stream = "tidemark:posts"

// look opens both stores for reading, as a stage behind Tidemark would.
func (s *show) look(ctx context.Context, fn func(*pgx.Conn, *redis.Client) error) error {
	db, err := pgx.Connect(ctx, s.stores.DatabaseURL.Reveal())
	if err != nil {
		return fmt.Errorf("look into Postgres: %w", err)
	}
	defer func() { _ = db.Close(context.WithoutCancel(ctx)) }()
	options, err := redis.ParseURL(s.stores.RedisURL.Reveal())
	if err != nil {
		return fmt.Errorf("look into Redis: %w", err)
	}
	events := redis.NewClient(options)
	defer func() { _ = events.Close() }()
	return fn(db, events)
}

// awaitEvents waits until the stream holds at least n entries.
func (s *show) awaitEvents(ctx context.Context, n int) error {
	return s.look(ctx, func(_ *pgx.Conn, events *redis.Client) error {
		return every(ctx, 50*time.Millisecond, func() (bool, error) {
			got, err := events.XLen(ctx, stream).Result()
			return got >= int64(n), err
		})
	})
}

// every calls fn until it is satisfied.
func every(ctx context.Context, pause time.Duration, fn func() (bool, error)) error {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		if done, err := fn(); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// counts are what the stores hold, by channel.
type counts struct {
	posts, events, repeats map[int64]int
}

func (s *show) count(ctx context.Context) (c counts, err error) {
	c = counts{map[int64]int{}, map[int64]int{}, map[int64]int{}}
	err = s.look(ctx, func(db *pgx.Conn, events *redis.Client) error {
		rows, err := db.Query(ctx, "SELECT channel_id, count(*) FROM parser.posts WHERE deleted_at IS NULL GROUP BY channel_id")
		if err != nil {
			return fmt.Errorf("count posts: %w", err)
		}
		var channel int64
		var n int
		if _, err := pgx.ForEachRow(rows, []any{&channel, &n}, func() error { c.posts[channel] = n; return nil }); err != nil {
			return fmt.Errorf("count posts: %w", err)
		}
		return c.countEvents(ctx, events)
	})
	return c, err
}

func (c counts) countEvents(ctx context.Context, events *redis.Client) error {
	seen := map[string]bool{}
	for from := "-"; ; {
		page, err := events.XRangeN(ctx, stream, from, "+", 1000).Result()
		if err != nil {
			return fmt.Errorf("count events: %w", err)
		}
		for _, entry := range page {
			var channel int64
			if _, err := fmt.Sscan(fmt.Sprint(entry.Values["channel"]), &channel); err != nil {
				return fmt.Errorf("entry %s of the stream names no channel: %w", entry.ID, err)
			}
			if id := fmt.Sprint(entry.Values["id"]); seen[id] {
				c.repeats[channel]++
			} else {
				seen[id] = true
				c.events[channel]++
			}
		}
		if len(page) == 0 {
			return nil
		}
		from = "(" + page[len(page)-1].ID
	}
}
