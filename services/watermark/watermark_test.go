package watermark_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	typev1 "github.com/tidemark/tidemark/gen/tidemark/type/v1"
	watermarkv1 "github.com/tidemark/tidemark/gen/tidemark/watermark/v1"
	"github.com/tidemark/tidemark/kit/embedded"
	"github.com/tidemark/tidemark/kit/env"
	"github.com/tidemark/tidemark/kit/pg/pgtest"
	"github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/services/watermark"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// open is a client of the whole service on real stores.
func open(t *testing.T, redisURL string) watermarkv1.WatermarkServiceClient {
	t.Helper()
	registry, log := prometheus.NewRegistry(), slog.New(slog.DiscardHandler)
	s, err := watermark.Open(t.Context(), watermark.Config{DatabaseURL: pgtest.Empty(t), RedisURL: env.Secret(redisURL), MaxConns: 8},
		watermark.Deps{Log: log, Registry: registry, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	server := rpc.NewServer(rpc.ServerOptions{Log: log, Registry: registry})
	s.Register(server)
	loop := rpc.NewLoopback()
	go func() { _ = server.Serve(loop.Listener()) }()
	t.Cleanup(server.Stop)
	conn, err := loop.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := s.Ready(t.Context()); err != nil {
		t.Errorf("not ready: %v", err)
	}
	return watermarkv1.NewWatermarkServiceClient(conn)
}

func head(ctx context.Context, c watermarkv1.WatermarkServiceClient) (int64, error) {
	got, err := c.GetWatermark(ctx, &watermarkv1.GetWatermarkRequest{ChannelId: 1})
	return got.GetWatermark().GetHeadId(), err
}

func advanceTo(ctx context.Context, c watermarkv1.WatermarkServiceClient, id int64) error {
	_, err := c.AdvanceWatermark(ctx, &watermarkv1.AdvanceWatermarkRequest{ChannelId: 1, Covered: ids(1, id), RunToken: id})
	return err
}

// Readers must never see less than what was acknowledged before they asked, while Redis is wiped all the time.
func TestFlushingRedisChangesNoAnswer(t *testing.T) {
	t.Parallel()
	p, err := embedded.Redis(t.Context(), t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	options, err := redis.ParseURL(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	wiper := redis.NewClient(options)
	t.Cleanup(func() { _ = wiper.Close() })
	c, ctx := open(t, p.URL), t.Context()
	if err := advanceTo(ctx, c, 1); err != nil {
		t.Fatal(err)
	}

	const steps = 300
	acknowledged, stop := make(chan int64, steps), make(chan struct{})
	var busy sync.WaitGroup
	for range 4 {
		busy.Go(func() {
			for least := int64(1); ; {
				select {
				case <-stop:
					return
				case least = <-acknowledged:
				default:
				}
				if got, err := head(ctx, c); err != nil || got < least {
					t.Errorf("got head %d, %v, though %d was acknowledged", got, err, least)
					return
				}
			}
		})
	}
	for id := int64(2); id <= steps; id++ {
		if err := advanceTo(ctx, c, id); err != nil {
			t.Error(err)
			break
		}
		acknowledged <- id
		if id%3 == 0 {
			_ = wiper.FlushAll(ctx).Err()
		}
	}
	close(stop)
	busy.Wait()
}

func TestWithoutRedisEverythingWorks(t *testing.T) {
	t.Parallel()
	c := open(t, "redis://127.0.0.1:1/0")
	if err := advanceTo(t.Context(), c, 7); err != nil {
		t.Fatal(err)
	}
	if got, err := head(t.Context(), c); err != nil || got != 7 {
		t.Errorf("got head %d, %v, want 7", got, err)
	}
}

func ids(first, last int64) []*typev1.IdRange { return []*typev1.IdRange{{First: first, Last: last}} }
