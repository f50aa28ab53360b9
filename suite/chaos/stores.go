package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/tidemark/tidemark/kit/embedded"
)

// store is a Postgres or a Redis that is broken and started again on the same directory. It gets another port each time, which the links hide.
type store struct {
	dir     string
	pidFile string
	open    func(ctx context.Context) (*embedded.Process, error)

	mu      sync.Mutex
	process *embedded.Process
	links   []*link
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func newPostgres(dir string, c *clock) *store {
	return &store{dir: dir, pidFile: filepath.Join(dir, "postgres", "postmaster.pid"), open: func(ctx context.Context) (p *embedded.Process, err error) {
		err = c.under(func() error {
			p, err = embedded.Postgres(ctx, dir, embedded.PostgresOptions{}, quiet())
			return err
		})
		return p, err
	}}
}

func newRedisStore(dir string) *store {
	return &store{dir: dir, pidFile: filepath.Join(dir, "redis.pid"), open: func(ctx context.Context) (*embedded.Process, error) {
		return embedded.Redis(ctx, dir, quiet())
	}}
}

// startWithin bounds a start, recovery after a crash included.
const startWithin = 60 * time.Second

// start starts it, and aims its links at it. The family of one that was killed may need a moment to be gone.
func (s *store) start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	var last error
	err := every(ctx, 100*time.Millisecond, func() bool {
		s.process, last = s.open(ctx)
		return last == nil
	})
	if err != nil {
		return errors.Join(fmt.Errorf("start a store in %s: %w", s.dir, err), last)
	}
	for _, k := range s.links {
		k.aim(s.addr())
	}
	return nil
}

func (s *store) addr() string {
	u, err := url.Parse(s.process.URL)
	if err != nil {
		return ""
	}
	return u.Host
}

// through is a URL that goes through a link of its own.
func (s *store) through(ctx context.Context, name string, taps func() tap) (*link, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := openLink(ctx, name, s.addr(), taps)
	if err != nil {
		return nil, "", err
	}
	s.links = append(s.links, k)
	u, err := url.Parse(s.process.URL)
	if err != nil {
		return nil, "", err
	}
	u.Host = k.addr()
	return k, u.String(), nil
}

func (s *store) pid() int {
	raw, _ := os.ReadFile(s.pidFile)
	line, _, _ := bytes.Cut(raw, []byte("\n"))
	pid, _ := strconv.Atoi(string(bytes.TrimSpace(line)))
	return pid
}

// kill takes the whole family at once, as a machine's end would.
func (s *store) kill() {
	if pid := s.pid(); pid > 0 {
		_ = syscall.Kill(-pid, syscall.SIGKILL)
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

func (s *store) signal(sig syscall.Signal) {
	if pid := s.pid(); pid > 0 {
		_ = syscall.Kill(pid, sig)
	}
}

// restart ends what is left and starts anew.
func (s *store) restart(ctx context.Context) error {
	s.close()
	return s.start(ctx)
}

func (s *store) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil {
		_ = s.process.Close()
		s.process = nil
	}
}

// disk is a small file system of its own under Postgres, so that it can be full.
type disk struct {
	dir    string
	absent string // why there is none
}

// diskSize is what it holds when it is not full; memory is used as it fills.
const diskSize = 4 << 30

func newDisk(dir string) *disk {
	d := &disk{dir: dir}
	if err := d.mount(diskSize, 0); err != nil {
		d.absent = err.Error()
	}
	return d
}

// fill leaves no room for anything more.
func (d *disk) fill() error {
	var st syscall.Statfs_t
	if err := syscall.Statfs(d.dir, &st); err != nil {
		return err
	}
	return d.resize(int64(st.Blocks-st.Bfree) * st.Bsize)
}

// free makes room again.
func (d *disk) free() error { return d.resize(diskSize) }
