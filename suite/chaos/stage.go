package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc"

	"github.com/tidemark/tidemark/kit/rpc"
)

// stage is everything that runs: the stores, the simulated Telegram, and Tidemark's processes with the links between them.
type stage struct {
	script
	ctx      context.Context // ends with the run
	dir      string
	disk     *disk
	clock    *clock
	postgres *store
	redis    *store
	sim      *process
	telegram telegram
	dc       *link // to Telegram

	processes []*process
	extra     *process // of duplicate workers, while they work
	schedules string   // gRPC addresses
	marks     string
	accounts  string

	db     *pgxpool.Pool // undisturbed, as a consumer's
	events *redis.Client
	sent   *sent
}

// openStage starts stores and Telegram, and then Tidemark.
func openStage(ctx context.Context, s script) (st *stage, err error) {
	st = &stage{script: s, ctx: ctx, dir: s.Keep, sent: newSent()}
	if st.dir == "" {
		if st.dir, err = os.MkdirTemp("", "tidemark-chaos-"); err != nil {
			return nil, err
		}
	} else {
		st.dir = filepath.Join(st.dir, fmt.Sprintf("seed-%d", s.seed))
	}
	for _, d := range []string{"", "postgres", "redis", "logs", "tidemark"} {
		if err := os.MkdirAll(filepath.Join(st.dir, d), 0o755); err != nil { //nolint:gosec // Postgres runs as another user and must get in
			return nil, err
		}
	}
	if err := os.Chmod(st.dir, 0o755); err != nil { //nolint:gosec // Postgres runs as another user and must get in
		return nil, err
	}
	for _, open := range []func(context.Context) error{st.openStores, st.openTelegram, st.openTidemark, st.openEyes} {
		if err := open(ctx); err != nil {
			st.close()
			return nil, err
		}
	}
	return st, nil
}

func (s *stage) openStores(ctx context.Context) error {
	s.disk = newDisk(filepath.Join(s.dir, "postgres"))
	s.clock = newClock(ctx, s.dir)
	s.postgres, s.redis = newPostgres(s.disk.dir, s.clock), newRedisStore(filepath.Join(s.dir, "redis"))
	return errors.Join(s.postgres.start(ctx), s.redis.start(ctx))
}

func (s *stage) openTelegram(ctx context.Context) (err error) {
	listen, control := freeAddr(ctx), freeAddr(ctx)
	if s.dc, err = openLink(ctx, "telegram", listen, nil); err != nil {
		return err
	}
	sizes := make([]string, len(s.sizes))
	for i, n := range s.sizes {
		sizes[i] = strconv.Itoa(n)
	}
	s.telegram = telegram{control}
	s.sim, err = s.program("telegram", "tgsim", "serve", "--listen", listen, "--announce", s.dc.addr(), "--control", control, "--key-out", s.pem(),
		"--world", "seed", "--seed", strconv.FormatUint(s.seed, 10), "--channels", strconv.Itoa(len(s.sizes)), "--sizes", strings.Join(sizes, ","))
	if err != nil {
		return err
	}
	s.sim.start()
	within, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	return every(within, 50*time.Millisecond, func() bool {
		_, err := s.telegram.channels(within)
		return err == nil
	})
}

func (s *stage) pem() string { return filepath.Join(s.dir, "telegram.pem") }

// program prepares a process with a log of its own.
func (s *stage) program(name, command string, args ...string) (*process, error) {
	out, err := os.OpenFile(filepath.Join(s.dir, "logs", name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	return &process{name: name, path: filepath.Join(s.Bin, command), args: args, env: os.Environ(), out: out}, nil
}

// historyRate paces reading so that faults meet it under way, in pages a second.
const historyRate = "30"

func (s *stage) openTidemark(ctx context.Context) error {
	if !s.services {
		p, addr, err := s.allInOne(ctx, "tidemark")
		if err != nil {
			return err
		}
		s.processes, s.schedules, s.marks, s.accounts = []*process{p}, addr, addr, addr
	} else {
		w, marks, err := s.service(ctx, "watermark", "watermark")
		if err != nil {
			return err
		}
		p, accounts, err := s.service(ctx, "parser", "parser", s.parserFlags()...)
		if err != nil {
			return err
		}
		c, schedules, err := s.scheduler(ctx, "scheduler", accounts, marks)
		if err != nil {
			return err
		}
		s.processes, s.schedules, s.marks, s.accounts = []*process{w, p, c}, schedules, marks, accounts
	}
	for _, p := range s.processes {
		p.start()
	}
	return nil
}

func (s *stage) parserFlags() []string {
	return []string{"--telegram-dcs", "2=" + s.dc.addr(), "--telegram-public-keys", s.pem(), "--api-id", "1", "--api-hash", "x",
		"--session-key-file", filepath.Join(s.dir, "session.key"), "--history-rate", historyRate, "--resolve-rate", "0"}
}

// allInOne prepares a tidemark up, and answers where it serves gRPC.
func (s *stage) allInOne(ctx context.Context, name string) (*process, string, error) {
	addr := freeAddr(ctx)
	args := append([]string{"up", "--data-dir", filepath.Join(s.dir, "tidemark"), "--tick", "1s", "--grpc-addr", addr, "--http-addr", freeAddr(ctx)}, s.parserFlags()...)
	p, err := s.program(name, "tidemark", args...)
	if err != nil {
		return nil, "", err
	}
	return p, addr, s.store(ctx, p, "TIDEMARK")
}

func (s *stage) service(ctx context.Context, name, command string, args ...string) (*process, string, error) {
	addr := freeAddr(ctx)
	p, err := s.program(name, command, append([]string{"serve", "--grpc-addr", addr, "--http-addr", freeAddr(ctx)}, args...)...)
	if err != nil {
		return nil, "", err
	}
	return p, addr, s.store(ctx, p, strings.ToUpper(command))
}

// scheduler reaches the other two through links.
func (s *stage) scheduler(ctx context.Context, name, parser, watermark string) (*process, string, error) {
	toParser, err := openLink(ctx, name+" to parser", parser, nil)
	if err != nil {
		return nil, "", err
	}
	toWatermark, err := openLink(ctx, name+" to watermark", watermark, nil)
	if err != nil {
		return nil, "", err
	}
	p, addr, err := s.service(ctx, name, "scheduler", "--tick", "1s", "--slice-pages", "20", "--parser-addr", toParser.addr(), "--watermark-addr", toWatermark.addr())
	if err == nil {
		p.peers = []*link{toParser, toWatermark}
	}
	return p, addr, err
}

// store gives a process its own links to the stores.
func (s *stage) store(ctx context.Context, p *process, prefix string) error {
	var db, cache string
	var err error
	if p.postgres, db, err = s.postgres.through(ctx, p.name+" to Postgres", newPostgresTap); err != nil {
		return err
	}
	p.env = append(p.env, prefix+"_DATABASE_URL="+db)
	if prefix == "SCHEDULER" {
		return nil
	}
	p.redis, cache, err = s.redis.through(ctx, p.name+" to Redis", func() tap { return &redisTap{log: s.sent} })
	p.env = append(p.env, prefix+"_REDIS_URL="+cache)
	return err
}

// openEyes opens our own ways to the stores, which are never broken.
func (s *stage) openEyes(ctx context.Context) error {
	_, db, err := s.postgres.through(ctx, "chaos to Postgres", nil)
	if err != nil {
		return err
	}
	_, cache, err := s.redis.through(ctx, "chaos to Redis", nil)
	if err != nil {
		return err
	}
	config, err := pgxpool.ParseConfig(db)
	if err != nil {
		return err
	}
	config.ConnConfig.ConnectTimeout = time.Second
	config.ConnConfig.RuntimeParams["timezone"] = "UTC"
	if s.db, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return err
	}
	options, err := redis.ParseURL(cache)
	if err != nil {
		return err
	}
	options.DialTimeout, options.MaxRetries = time.Second, -1
	s.events = redis.NewClient(options)
	return nil
}

// call talks to a service as a user would: again and again while it is away.
func (s *stage) call(ctx context.Context, addr string, within time.Duration, fn func(context.Context, *grpc.ClientConn) error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	conn, err := rpc.Dial(addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	var last error
	err = every(ctx, 300*time.Millisecond, func() bool {
		once, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		last = fn(once, conn)
		return last == nil || final(last)
	})
	if last != nil {
		return last
	}
	return err
}

// by finds a process by the service that it serves.
func (s *stage) by(name string) *process {
	for _, p := range s.processes {
		if p.name == name || p.name == "tidemark" {
			return p
		}
	}
	return nil
}

func (s *stage) all() []*process {
	if s.extra != nil {
		return append([]*process{s.extra}, s.processes...)
	}
	return s.processes
}

// close ends everything; without --keep nothing is left.
func (s *stage) close() {
	ctx := context.WithoutCancel(s.ctx)
	for _, p := range append(s.all(), s.sim) {
		if p != nil {
			p.stop(ctx, syscall.SIGTERM)
			_ = p.out.Close()
		}
	}
	if s.db != nil {
		s.db.Close()
	}
	if s.events != nil {
		_ = s.events.Close()
	}
	for _, st := range []*store{s.postgres, s.redis} {
		if st != nil {
			st.close()
		}
	}
	if s.Keep != "" {
		return
	}
	if s.disk != nil {
		s.disk.close()
	}
	_ = os.RemoveAll(s.dir)
}

// freeAddr is an address that nobody uses now, outside of what the kernel gives to clients: it must still be free after a restart.
func freeAddr(ctx context.Context) string {
	for {
		addr := fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(12_000))
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
		if err == nil {
			_ = l.Close()
			return addr
		}
		if ctx.Err() != nil {
			return addr
		}
	}
}
