package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"
)

// killed kills a service with SIGKILL, lets Telegram go on meanwhile, starts it again, and wants everything to be there.
func (s *stack) killed(ctx context.Context, service string) error {
	if err := s.post(ctx, "before "+service+" dies"); err != nil {
		return err
	}
	if err := s.compose(ctx, "kill", service); err != nil {
		return err
	}
	if err := s.post(ctx, "while "+service+" is dead"); err != nil {
		return err
	}
	if err := s.compose(ctx, "start", service); err != nil {
		return err
	}
	return s.recovered(ctx, "after "+service+" is back")
}

// oneKilled kills the one of two; the other must do alone.
func (s *stack) oneKilled(ctx context.Context, service string, which int) error {
	ids, err := s.containers(ctx, service)
	if err != nil || len(ids) != 2 {
		return errors.Join(err, fmt.Errorf("%d containers of %s, want 2", len(ids), service))
	}
	if _, err := s.docker(ctx, "kill", ids[which]); err != nil {
		return err
	}
	if err := s.post(ctx, "while one "+service+" of two is dead"); err != nil {
		return err
	}
	if err := s.complete(ctx); err != nil {
		return err
	}
	if _, err := s.docker(ctx, "start", ids[which]); err != nil {
		return err
	}
	return s.recovered(ctx, "after both are back")
}

// crashed ends every process from outside, as the kernel would: nobody told the engine to, so it starts them again.
func (s *stack) crashed(ctx context.Context) error {
	for _, service := range []string{"scheduler", "parser", "watermark", "postgres", "redis"} {
		ids, err := s.containers(ctx, service)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := s.crash(ctx, id); err != nil {
				return fmt.Errorf("%s: %w", service, err)
			}
		}
	}
	return s.recovered(ctx, "after the crash")
}

func (s *stack) crash(ctx context.Context, id string) error {
	text, err := s.docker(ctx, "inspect", "-f", "{{.State.Pid}}", id)
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(text)
	if err != nil || pid < 2 {
		return fmt.Errorf("its process is %q", text)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill process %d, for which this program must be root where the engine is: %w", pid, err)
	}
	return nil
}

// recovered posts once more, wants all of it, and everybody healthy.
func (s *stack) recovered(ctx context.Context, text string) error {
	if err := s.post(ctx, text); err != nil {
		return err
	}
	if err := s.complete(ctx); err != nil {
		return err
	}
	return s.eventually(ctx, s.healthy)
}

func (s *stack) healthy(ctx context.Context) error {
	out, err := s.ask(ctx, "ps", "--format", "{{.Service}} {{.Health}}", "scheduler", "parser", "watermark", "postgres", "redis", "tgsim")
	if err != nil {
		return err
	}
	if lines := strings.Split(out, "\n"); len(lines) < 6 {
		return fmt.Errorf("%d containers run, want 6 at least", len(lines))
	}
	for line := range strings.SplitSeq(out, "\n") {
		if !strings.HasSuffix(line, " healthy") {
			return fmt.Errorf("not healthy: %s", line)
		}
	}
	return nil
}
