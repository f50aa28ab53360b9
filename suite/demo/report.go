package demo

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"google.golang.org/protobuf/proto"

	eventv1 "github.com/tidemark/tidemark/gen/tidemark/event/v1"
	watermarkv1 "github.com/tidemark/tidemark/gen/tidemark/watermark/v1"
	"github.com/tidemark/tidemark/services/parser/tgsim"
)

// finish sends one live post through and compares everything with the simulator's truth.
func (s *show) finish(ctx context.Context) error {
	if err := s.onePost(ctx, s.sim.World().Summaries()[0].Username, "Live: the tide has turned."); err != nil {
		return fmt.Errorf("follow a live post: %w", err)
	}
	if err := s.summary(ctx); err != nil {
		return err
	}
	return errDone
}

// onePost publishes a post in Telegram and waits for its event in Redis; an empty text makes one up.
func (s *show) onePost(ctx context.Context, channel, text string) error {
	id, err := s.publish(channel, text)
	if err != nil {
		return err
	}
	posted := time.Now()
	var said string
	err = s.look(ctx, func(_ *pgx.Conn, events *redis.Client) error {
		return every(ctx, 20*time.Millisecond, func() (bool, error) {
			newest, err := events.XRevRangeN(ctx, stream, "+", "-", 100).Result()
			for _, entry := range newest {
				if fmt.Sprint(entry.Values["message"]) == fmt.Sprint(id) {
					said, err = textOf(entry)
					return true, err
				}
			}
			return false, err
		})
	})
	if err == nil {
		s.say("live: @%s/%d %q is in Postgres and Redis %s after it was published", channel, id, clip(said), time.Since(posted).Round(10*time.Millisecond))
	}
	return err
}

// publish makes a post; made-up messages may be service messages or deleted at once, so more are made until one is a post.
func (s *show) publish(channel, text string) (int, error) {
	if text != "" {
		return s.sim.World().Post(channel, tgsim.Draft{Text: text})
	}
	for {
		first, last, err := s.sim.World().Grow(channel, 1)
		if err != nil {
			return 0, err
		}
		truth, err := s.sim.World().Truth(channel)
		if err != nil {
			return 0, err
		}
		if n := len(truth.Posts); n > 0 && truth.Posts[n-1].ID >= first {
			return last, nil
		}
	}
}

// textOf reads a post's text out of its event, as a stage behind Tidemark would.
func textOf(entry redis.XMessage) (string, error) {
	var event eventv1.Event
	if err := proto.Unmarshal([]byte(fmt.Sprint(entry.Values["event"])), &event); err != nil {
		return "", fmt.Errorf("decode entry %s of the stream: %w", entry.ID, err)
	}
	return event.GetPostCreated().GetPost().GetText(), nil
}

func clip(text string) string {
	if runes := []rune(strings.Join(strings.Fields(text), " ")); len(runes) > 48 {
		return string(runes[:47]) + "…"
	}
	return text
}

// summary shows each channel's truth beside what is stored; any difference is an error.
func (s *show) summary(ctx context.Context) error {
	have, err := s.settled(ctx)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(table, "\nCHANNEL\tIDS\tSERVICE, GONE\tPOSTS\tIN POSTGRES\tEVENTS\tREPEATED\tHOLES\t")
	wrong, posts := 0, 0
	for _, c := range s.sim.World().Summaries() {
		coverage, err := watermarkv1.NewWatermarkServiceClient(s.conn).GetCoverage(ctx, &watermarkv1.GetCoverageRequest{ChannelId: c.ID})
		if err != nil {
			return fmt.Errorf("ask for the coverage of %d: %w", c.ID, err)
		}
		holes := len(coverage.GetHoles())
		_, _ = fmt.Fprintf(table, "@%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", c.Username, c.Last, c.Last-c.Posts, c.Posts, have.posts[c.ID], have.events[c.ID], have.repeats[c.ID], holes)
		if posts += c.Posts; have.posts[c.ID] != c.Posts || have.events[c.ID] != c.Posts || holes != 0 || coverage.GetCoveredCount() != int64(c.Last) {
			wrong++
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if wrong > 0 {
		return fmt.Errorf("%d channels differ from what Telegram has: this is a bug, please report it with the table above", wrong)
	}
	_, _ = fmt.Fprintf(s.Out, "\n%d channels, %d posts: every message in Postgres, one event each in Redis, zero holes. %s in all.\n", channels, posts, time.Since(s.began).Round(100*time.Millisecond))
	return nil
}

// settled counts when the live post's mark has followed its data.
func (s *show) settled(ctx context.Context) (counts, error) {
	err := every(ctx, 50*time.Millisecond, func() (bool, error) {
		missing, err := s.missing(ctx)
		return missing == 0, err
	})
	if err != nil {
		return counts{}, err
	}
	return s.count(ctx)
}

// live posts now and then in some channels, until ctx ends.
func (s *show) live(ctx context.Context) error {
	all := s.sim.World().Summaries()
	for i := 0; ; i++ {
		if err := s.onePost(ctx, all[i%3].Username, ""); err != nil {
			return err // of a context that ended, too: run takes that for what it is
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(2 * time.Second):
		}
	}
}

func (s *show) tellWhereToLook(addr string) {
	first := s.sim.World().Summaries()[0].ID
	_, _ = fmt.Fprintf(s.Out, `
  psql "%s" -c "SELECT message_id, posted_at, left(text, 60) FROM parser.posts ORDER BY posted_at DESC LIMIT 5"
  redis-cli -u %s XREVRANGE %s + - COUNT 1
  grpcurl -plaintext -d '{"channel_id": %d}' %s tidemark.watermark.v1.WatermarkService/GetCoverage
  bin/tidemark status --addr %s

  Three channels go on posting. Ctrl-C ends it.

`, s.stores.DatabaseURL.Reveal(), s.stores.RedisURL.Reveal(), stream, first, addr, addr)
}
