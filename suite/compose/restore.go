package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
)

// restored does what docs/backup.md says, with a life between the dump and its return.
func (s *stack) restored(ctx context.Context) error {
	if err := s.page(ctx, "backup-compose"); err != nil {
		return err
	}
	if err := s.post(ctx, "after the dump"); err != nil {
		return err
	}
	if err := s.complete(ctx); err != nil {
		return err
	}
	if err := s.page(ctx, "restore-compose"); err != nil {
		return err
	}
	return s.recovered(ctx, "after the dump is back")
}

// page runs a block of docs/backup.md, in a folder of ours, for our project.
func (s *stack) page(ctx context.Context, block string) error {
	content, err := os.ReadFile("docs/backup.md")
	if err != nil {
		return err
	}
	found := regexp.MustCompile("(?s)```bash " + block + "\n(.*?)```").FindSubmatch(content)
	if found == nil {
		return fmt.Errorf("docs/backup.md has no block %q", block)
	}
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	script := fmt.Sprintf("docker() { (cd %q && command docker compose -p %s --env-file %q --profile demo \"${@:2}\"); }\n%s", root, project, s.file, found[1])
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", script) //nolint:gosec // our own page
	cmd.Dir, cmd.Env = s.dir, s.clean()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("the block %q of docs/backup.md: %w: %s", block, err, out)
	}
	return nil
}
