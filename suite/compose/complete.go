package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	watermarkv1 "github.com/tidemark/tidemark/gen/tidemark/watermark/v1"
)

// completeWithin is for what was missed to be read: a dead parser's lease ends after half a minute, and whoever could not read tries again later.
const completeWithin = 2 * time.Minute

// complete waits until Postgres, Redis and the marks hold exactly what Telegram has, and says at the end what differs.
func (s *stack) complete(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, completeWithin)
	defer cancel()
	var differs error
	for {
		bounded, done := context.WithTimeout(ctx, 20*time.Second)
		err := s.same(bounded)
		done()
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			differs = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not complete within %s: %w", completeWithin, differs)
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// same is nil when nothing is missing, made up or different.
func (s *stack) same(ctx context.Context) error {
	truth, err := s.truth(ctx)
	if err != nil {
		return err
	}
	events, err := s.events(ctx)
	if err != nil {
		return err
	}
	db, err := s.postgres(ctx, "parser")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close(context.WithoutCancel(ctx)) }()
	for _, w := range truth {
		if err := samePosts(ctx, db, w); err != nil {
			return fmt.Errorf("@%s in Postgres: %w", w.Username, err)
		}
		for _, p := range w.Posts {
			if !events[place{w.ID, p.ID}] {
				return fmt.Errorf("@%s/%d has no event in Redis", w.Username, p.ID)
			}
			delete(events, place{w.ID, p.ID})
		}
	}
	for at := range events {
		return fmt.Errorf("%d events in Redis are of no post that exists, one of them %d/%d", len(events), at.channel, at.message)
	}
	return s.covered(ctx, truth)
}

func samePosts(ctx context.Context, db *pgx.Conn, w world) error {
	rows, err := db.Query(ctx, "SELECT message_id, posted_at, text FROM parser.posts WHERE channel_id = $1 AND deleted_at IS NULL ORDER BY message_id", w.ID)
	if err != nil {
		return err
	}
	var id int64
	var at time.Time
	var text string
	n := 0
	if _, err := pgx.ForEachRow(rows, []any{&id, &at, &text}, func() error {
		if n >= len(w.Posts) {
			return fmt.Errorf("post %d does not exist", id)
		}
		if p := w.Posts[n]; p.ID != id || !p.Date.Equal(at) || p.Text != text {
			return fmt.Errorf("post %d of %s is there, want %d of %s", id, at.UTC(), p.ID, p.Date)
		}
		n++
		return nil
	}); err != nil {
		return err
	}
	if n != len(w.Posts) {
		return fmt.Errorf("%d posts, want %d", n, len(w.Posts))
	}
	return nil
}

type place struct{ channel, message int64 }

// events are the places whose creation is in the stream. A repeat carries an id that is known, and is allowed after a crash.
func (s *stack) events(ctx context.Context) (map[place]bool, error) {
	client, err := s.redis(ctx, "reader")
	if err != nil {
		return nil, err
	}
	defer func() { _ = client.Close() }()
	entries, err := client.XRange(ctx, "tidemark:posts", "-", "+").Result()
	if err != nil {
		return nil, fmt.Errorf("read the stream: %w", err)
	}
	created := map[place]bool{}
	for _, e := range entries {
		if e.Values["kind"] == "post.created" {
			channel, _ := strconv.ParseInt(fmt.Sprint(e.Values["channel"]), 10, 64)
			message, _ := strconv.ParseInt(fmt.Sprint(e.Values["message"]), 10, 64)
			created[place{channel, message}] = true
		}
	}
	return created, nil
}

// covered is nil when the marks know of every id, and of no hole.
func (s *stack) covered(ctx context.Context, truth []world) error {
	conn, err := s.dial(ctx, "watermark")
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	for _, w := range truth {
		got, err := watermarkv1.NewWatermarkServiceClient(conn).GetCoverage(ctx, &watermarkv1.GetCoverageRequest{ChannelId: w.ID})
		if err != nil {
			return err
		}
		if got.GetCoveredCount() != w.Last || len(got.GetHoles()) > 0 {
			return fmt.Errorf("@%s: %d of %d ids are covered, with %d holes", w.Username, got.GetCoveredCount(), w.Last, len(got.GetHoles()))
		}
	}
	return nil
}

// postgres connects as one of the roles.
func (s *stack) postgres(ctx context.Context, role string) (*pgx.Conn, error) {
	at, err := s.address(ctx, "postgres", "5432")
	if err != nil {
		return nil, err
	}
	password := s.values[map[string]string{"scheduler": "DB_PASSWORD_SCHEDULER", "parser": "DB_PASSWORD_PARSER", "watermark": "DB_PASSWORD_WATERMARK"}[role]]
	return pgx.Connect(ctx, "postgres://"+role+":"+password.Reveal()+"@"+at+"/tidemark")
}

// redis connects as one of the users.
func (s *stack) redis(ctx context.Context, user string) (*redis.Client, error) {
	at, err := s.address(ctx, "redis", "6379")
	if err != nil {
		return nil, err
	}
	password := s.values[map[string]string{"parser": "REDIS_PASSWORD_PARSER", "watermark": "REDIS_PASSWORD_WATERMARK", "reader": "REDIS_PASSWORD_READER"}[user]]
	if user == "health" {
		password = "none" // any
	}
	return redis.NewClient(&redis.Options{Addr: at, Username: user, Password: password.Reveal(), MaxRetries: -1}), nil
}
