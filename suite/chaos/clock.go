package main

import (
	"context"
	_ "embed"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

//go:embed clock/clock.c
var clockSource []byte

// clock is the wall clock of Postgres, which decides about claims and leases, made to step. A Go program asks the kernel for the time itself, so
// the clocks of our own processes cannot be moved without moving the machine's; what they see of a step is what they see after being stopped.
type clock struct {
	library, file string
	absent        string // why it cannot step
}

// newClock builds what is loaded before Postgres's C library.
func newClock(ctx context.Context, dir string) *clock {
	c := &clock{library: filepath.Join(dir, "clock.so"), file: filepath.Join(dir, "clock")}
	if err := c.build(ctx); err != nil {
		c.absent = err.Error()
	}
	return c
}

func (c *clock) build(ctx context.Context) error {
	source := c.file + ".c"
	if err := os.WriteFile(source, clockSource, 0o600); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "cc", "-shared", "-fPIC", "-O2", "-o", c.library, source).CombinedOutput(); err != nil {
		return fmt.Errorf("no C compiler makes a clock that steps: %w: %.200s", err, out)
	}
	if err := os.WriteFile(c.file, make([]byte, 8), 0o644); err != nil { //nolint:gosec // Postgres runs as another user and reads it
		return err
	}
	return os.Chmod(c.library, 0o755) //nolint:gosec // the same
}

// step moves the clock away from the machine's; 0 moves it back.
func (c *clock) step(by time.Duration) error {
	f, err := os.OpenFile(c.file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if _, err := f.Write(binary.NativeEndian.AppendUint64(nil, uint64(by))); err != nil { // in place: it is mapped
		return err
	}
	return f.Close()
}

// under starts something with this clock.
func (c *clock) under(start func() error) error {
	if c.absent != "" {
		return start()
	}
	defer setenv("LD_PRELOAD", c.library)()
	defer setenv("CHAOS_CLOCK", c.file)()
	return start()
}

func setenv(name, value string) (back func()) {
	was, had := os.LookupEnv(name)
	_ = os.Setenv(name, value)
	return func() {
		if had {
			_ = os.Setenv(name, was)
		} else {
			_ = os.Unsetenv(name)
		}
	}
}
