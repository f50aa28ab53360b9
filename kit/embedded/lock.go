package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// hold takes a store's directory for this process. The kernel frees it when we die, however that happens: so whoever holds it knows that
// what still runs there was left behind.
func hold(dir, store string) (release func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, store+".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		_ = f.Close()
		return nil, fmt.Errorf("another process keeps its private %s in %s: stop it, or choose another --data-dir", store, dir)
	} else if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return sync.OnceFunc(func() { _ = f.Close() }), nil
}

// heldBy makes a process give the directory back when it is closed.
func heldBy(p *Process, release func()) *Process {
	stop := p.stop
	p.stop = sync.OnceValue(func() error { defer release(); return stop() })
	return p
}

// stopLeftover ends the program that a killed parent may have left on this directory; only whoever holds the directory may ask. The first
// line of pidFile is its process id.
func stopLeftover(ctx context.Context, pidFile, program, dir string) error {
	content, err := os.ReadFile(pidFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("look for a server left behind: %w", err)
	}
	line, _, _ := bytes.Cut(content, []byte("\n"))
	if pid, err := strconv.Atoi(string(bytes.TrimSpace(line))); err == nil && isOurs(ctx, pid, program, dir) {
		return terminate(ctx, pid)
	}
	return nil // it is gone, and the number may be another's by now
}

// isOurs is true when the process runs program in dir, or on dir by its command line.
func isOurs(ctx context.Context, pid int, program, dir string) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil { // no Linux, or no such process
		line, err = exec.CommandContext(ctx, "ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	}
	if err != nil || !bytes.Contains(line, []byte(program)) {
		return false
	}
	at, _ := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	return at == dir || bytes.Contains(line, []byte(dir))
}

// terminate ends a foreign process and waits until it is gone.
func terminate(ctx context.Context, pid int) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_ = syscall.Kill(pid, syscall.SIGINT)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for syscall.Kill(pid, 0) == nil {
		select {
		case <-ctx.Done():
			return fmt.Errorf("stop the process %d that was left behind: %w", pid, ctx.Err())
		case <-tick.C:
		}
	}
	return nil
}
