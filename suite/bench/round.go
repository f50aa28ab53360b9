package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc"

	schedulerv1 "github.com/tidemark/tidemark/gen/tidemark/scheduler/v1"
	watermarkv1 "github.com/tidemark/tidemark/gen/tidemark/watermark/v1"
	"github.com/tidemark/tidemark/kit/embedded"
	"github.com/tidemark/tidemark/kit/rpc"
)

// round is what one backfill took.
type round struct {
	posts, ids int
	took       time.Duration
	cpu        map[string]time.Duration // by process: tidemark, telegram, postgres, redis
	peak       int64                    // of the all-in-one, bytes resident
}

func (r round) rate() float64 {
	if r.took == 0 {
		return 0
	}
	return float64(r.posts) / r.took.Seconds()
}

func (r round) String() string {
	return fmt.Sprintf("%d posts in %s: %.0f posts/s, at most %d MiB resident", r.posts, r.took.Round(time.Millisecond), r.rate(), r.peak>>20)
}

func (r round) table(out io.Writer, raw []figure) {
	_, _ = fmt.Fprintf(out, "\nEnd to end, best round beside the parts alone, same run:\n\n")
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(w, "  Tidemark: in Postgres, event in Redis, mark advanced\t%.0f posts/s\t\n", r.rate())
	for _, f := range raw {
		_, _ = fmt.Fprintf(w, "  %s\t%.0f %s\t%.2f of it is ours\n", f.name, f.rate, f.unit, r.rate()/f.rate)
	}
	_ = w.Flush()
	_, _ = fmt.Fprintf(out, "\nCPU seconds of that round:\n\n")
	var sum time.Duration
	for _, name := range []string{"tidemark", "telegram", "postgres", "redis"} {
		sum += r.cpu[name]
	}
	for _, name := range []string{"tidemark", "telegram", "postgres", "redis"} {
		_, _ = fmt.Fprintf(w, "  %s\t%.2f s\t%.1f µs a post\t%.0f %%\n", name, r.cpu[name].Seconds(), float64(r.cpu[name].Microseconds())/float64(r.posts), 100*r.cpu[name].Seconds()/sum.Seconds())
	}
	_ = w.Flush()
	_, _ = fmt.Fprintf(out, "\nResident in the all-in-one at most: %d MiB\n", r.peak>>20)
}

const (
	grpcAddr = "127.0.0.1:18010"
	httpAddr = "127.0.0.1:18011"
	dcAddr   = "127.0.0.1:18443"
	control  = "127.0.0.1:18444"
	// roundLimit ends a round that hangs.
	roundLimit = 5 * time.Minute
)

func (b *bench) round(ctx context.Context) (r round, err error) {
	ctx, cancel := context.WithTimeout(ctx, roundLimit)
	defer cancel()
	dir, remove, err := temp()
	if err != nil {
		return r, err
	}
	defer remove()
	db, err := embedded.Postgres(ctx, dir, embedded.PostgresOptions{}, quiet())
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	cache, err := embedded.Redis(ctx, dir, quiet())
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, cache.Close()) }()
	telegram, err := b.telegram(ctx, dir)
	if err != nil {
		return r, err
	}
	defer telegram.stop()
	tidemark, err := start(ctx, filepath.Join(b.Bin, "tidemark"), "up", "--data-dir", dir, "--database-url", db.URL, "--redis-url", cache.URL,
		"--telegram-dcs", "2="+dcAddr, "--telegram-public-keys", filepath.Join(dir, "key.pem"), "--api-id", "1", "--api-hash", "x", "--history-rate", "0", "--resolve-rate", "0",
		"--grpc-addr", grpcAddr, "--http-addr", httpAddr, "--log-level", "warn", "--workers", strconv.Itoa(b.Workers))
	if err != nil {
		return r, err
	}
	defer tidemark.stop()
	if err := b.login(ctx); err != nil {
		return r, err
	}
	processes := map[string][]int{"tidemark": {tidemark.pid()}, "telegram": {telegram.pid()}, "postgres": family(dir, "postgres"), "redis": family(dir, "redis-server")}
	return b.backfill(ctx, cache.URL, processes)
}

func (b *bench) telegram(ctx context.Context, dir string) (*process, error) {
	p, err := start(ctx, filepath.Join(b.Bin, "tgsim"), "serve", "--listen", dcAddr, "--control", control, "--key-out", filepath.Join(dir, "key.pem"),
		"--world", "seed", "--seed", "1", "--channels", strconv.Itoa(b.Channels), "--messages", strconv.Itoa(b.Messages))
	if err != nil {
		return nil, err
	}
	return p, every(ctx, 50*time.Millisecond, func() (bool, error) {
		_, err := summaries(ctx)
		return err == nil, nil
	})
}

func (b *bench) login(ctx context.Context) error {
	return every(ctx, 200*time.Millisecond, func() (bool, error) {
		cmd := exec.CommandContext(ctx, filepath.Join(b.Bin, "tidemark"), "login", "--addr", grpcAddr, "--phone", "+10000000000", "--code", "12345")
		return cmd.Run() == nil, nil
	})
}

// summary is a channel as the simulator's control API tells it.
type summary struct {
	ID       int64  `json:"id"`
	Username string `json:"username"`
	Last     int    `json:"last"`
	Posts    int    `json:"posts"`
}

func summaries(ctx context.Context) ([]summary, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+control+"/truth", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	var truth struct{ Channels []summary }
	err = json.NewDecoder(resp.Body).Decode(&truth)
	return truth.Channels, err
}

func (b *bench) backfill(ctx context.Context, redisURL string, processes map[string][]int) (r round, err error) {
	conn, err := rpc.Dial(grpcAddr)
	if err != nil {
		return r, err
	}
	defer func() { _ = conn.Close() }()
	channels, err := summaries(ctx)
	if err != nil {
		return r, err
	}
	for _, c := range channels {
		r.posts, r.ids = r.posts+c.Posts, r.ids+c.Last
	}
	before := cpuOf(processes)
	began := time.Now()
	for _, c := range channels {
		if _, err := schedulerv1.NewChannelServiceClient(conn).AddChannel(ctx, &schedulerv1.AddChannelRequest{Ref: c.Username}); err != nil {
			return r, fmt.Errorf("follow %s: %w", c.Username, err)
		}
	}
	err = every(ctx, 50*time.Millisecond, func() (bool, error) {
		r.peak = max(r.peak, resident(processes["tidemark"][0]))
		return complete(ctx, conn, redisURL, channels, r.posts)
	})
	r.took, r.cpu = time.Since(began), cpuOf(processes)
	for name, d := range before {
		r.cpu[name] -= d
	}
	return r, err
}

// complete is true when every id is covered and every event is out.
func complete(ctx context.Context, conn *grpc.ClientConn, redisURL string, channels []summary, posts int) (bool, error) {
	req := &watermarkv1.BatchGetWatermarksRequest{WithCoverage: true}
	tops := map[int64]int64{}
	for _, c := range channels {
		req.ChannelIds, tops[c.ID] = append(req.ChannelIds, c.ID), int64(c.Last)
	}
	resp, err := watermarkv1.NewWatermarkServiceClient(conn).BatchGetWatermarks(ctx, req)
	if err != nil || len(resp.GetWatermarks()) < len(channels) {
		return false, err
	}
	for i, w := range resp.GetWatermarks() {
		ranges := resp.GetCoverages()[i].GetRanges()
		if len(ranges) != 1 || ranges[0].GetFirst() != 1 || ranges[0].GetLast() != tops[w.GetChannelId()] {
			return false, nil
		}
	}
	options, err := redis.ParseURL(redisURL)
	if err != nil {
		return false, err
	}
	events := redis.NewClient(options)
	defer func() { _ = events.Close() }()
	n, err := events.XLen(ctx, "tidemark:posts").Result()
	return n >= int64(posts), err
}

// process is a program under measurement.
type process struct{ cmd *exec.Cmd }

func start(ctx context.Context, name string, args ...string) (*process, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s (make bench builds it): %w", name, err)
	}
	return &process{cmd}, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait()
}
