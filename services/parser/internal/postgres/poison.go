package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

// encodeError is an event that cannot be encoded.
type encodeError struct {
	message ingest.MessageID
	err     error
}

func (e *encodeError) Error() string {
	return fmt.Sprintf("encode the event of message %d: %v", e.message, e.err)
}

func (e *encodeError) Unwrap() error { return e.err }

// isPoison is true when what is to be stored is the trouble, not the moment: Postgres refuses the data (SQLSTATE classes 22 and 23, and 54, limits),
// or an event cannot be made of it.
func isPoison(err error) bool {
	var refused *pgconn.PgError
	var encode *encodeError
	if errors.As(err, &refused) {
		return slices.ContainsFunc([]string{"22", "23", "54"}, func(class string) bool { return strings.HasPrefix(refused.Code, class) })
	}
	return errors.As(err, &encode)
}

// isolate finds the posts of a page that cannot be stored, by halves, and moves them to those that cannot be read: one bad message holds up no other.
func (s *Posts) isolate(ctx context.Context, channel ingest.ChannelID, page ingest.Page, now time.Time) (ingest.Page, error) {
	bad := map[ingest.MessageID]string{}
	if err := s.sift(ctx, channel, page, page.Posts, bad, now); err != nil {
		return page, err
	}
	var good []ingest.Post
	for _, p := range page.Posts {
		if problem, is := bad[p.Message]; is {
			page.Unreadable = append(slices.Clone(page.Unreadable), ingest.Unreadable{Message: p.Message, Raw: p.Raw, Problem: problem})
		} else {
			good = append(good, p)
		}
	}
	page.Posts = good
	return page, nil
}

// sift tries posts in a transaction that is rolled back, halving them until the bad ones stand alone.
func (s *Posts) sift(ctx context.Context, channel ingest.ChannelID, page ingest.Page, posts []ingest.Post, bad map[ingest.MessageID]string, now time.Time) error {
	if len(posts) == 0 {
		return nil
	}
	err := s.try(ctx, channel, ingest.Page{Posts: slices.Clone(posts), ReadAt: page.ReadAt}, now)
	switch {
	case err == nil:
		return nil
	case !isPoison(err):
		return err
	case len(posts) == 1:
		bad[posts[0].Message] = problemOf(err)
		return nil
	}
	half := len(posts) / 2
	if err := s.sift(ctx, channel, page, posts[:half], bad, now); err != nil {
		return err
	}
	return s.sift(ctx, channel, page, posts[half:], bad, now)
}

var errTried = errors.New("tried")

func (s *Posts) try(ctx context.Context, channel ingest.ChannelID, page ingest.Page, now time.Time) error {
	err := s.pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
		known, strikes, err := lockAndLoad(ctx, conn, channel, span(page))
		if err != nil {
			return err
		}
		change := ingest.Decide(channel, page, known, strikes, now)
		if _, err := s.bodies(change.Events); err != nil {
			return errors.Join(err, rollback(ctx, conn))
		}
		if err := copyIn(ctx, conn, channel, change.Posts); err != nil {
			return err
		}
		return errors.Join(errTried, rollback(ctx, conn))
	})
	if errors.Is(err, errTried) {
		return nil
	}
	return err
}

// problemOf says what Postgres minds, without the data that it would quote.
func problemOf(err error) string {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return strings.TrimSpace(fmt.Sprintf("Postgres refuses it: SQLSTATE %s %s%s", refused.Code, refused.ColumnName, refused.ConstraintName))
	}
	return "no event can be made of it"
}
