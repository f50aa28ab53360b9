// Command withpg runs a command beside a private Postgres that exists only for it:
//
//	withpg go test ./...
//
// TEST_DATABASE_URL names the server, so that all test packages share one instead of starting one each. A server that is named already is
// used as it is. The command's exit code is passed on. Data is not durable.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/tidemark/tidemark/kit/embedded"
)

const variable = "TEST_DATABASE_URL"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	complain := func(code int, err error) int { _, _ = fmt.Fprintf(stderr, "withpg: %v\n", err); return code }
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		return complain(2, errors.New("give the command to run: withpg COMMAND [ARGUMENT...]"))
	}
	named := func(entry string) bool { return strings.HasPrefix(entry, variable+"=") && entry != variable+"=" }
	if !slices.ContainsFunc(environ, named) {
		url, stop, err := start(ctx)
		if err != nil {
			return complain(1, err)
		}
		defer stop()
		environ = append(environ, variable+"="+url)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = environ, os.Stdin, stdout, stderr
	cmd.Cancel, cmd.WaitDelay = func() error { return cmd.Process.Signal(syscall.SIGTERM) }, 10*time.Second
	err := cmd.Run()
	if cmd.ProcessState == nil {
		return complain(127, err)
	}
	return exitCode(cmd.ProcessState)
}

// exitCode is what a shell would say: 128 and the signal for a command that was killed.
func exitCode(s *os.ProcessState) int {
	if how, ok := s.Sys().(syscall.WaitStatus); ok && how.Signaled() {
		return 128 + int(how.Signal())
	}
	return s.ExitCode()
}

// start makes a server in a new temporary directory, which stop removes.
func start(ctx context.Context) (url string, stop func(), err error) {
	dir, err := os.MkdirTemp("", "tidemark-withpg-")
	if err != nil {
		return "", nil, fmt.Errorf("directory for the server: %w", err)
	}
	p, err := embedded.Postgres(ctx, dir, embedded.PostgresOptions{Fast: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	return p.URL, func() { _ = p.Close(); _ = os.RemoveAll(dir) }, nil
}
