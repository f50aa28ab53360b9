package run

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tidemark/tidemark/kit/env"
	"github.com/tidemark/tidemark/kit/rpc"
)

// asProgram makes this test binary the program that the tests of signals start.
const asProgram = "RUN_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		Main("prog", "A program.", &struct {
			Polite polite `cmd:""`
			Deaf   deaf   `cmd:""`
		}{})
	}
	os.Exit(m.Run())
}

type polite struct{}

func (polite) Run(ctx context.Context, out io.Writer) error {
	_, _ = fmt.Fprintln(out, "up")
	<-ctx.Done()
	return fmt.Errorf("work: %w", ctx.Err())
}

type deaf struct{}

func (deaf) Run(ctx context.Context, out io.Writer) error {
	_, _ = fmt.Fprintln(out, "up")
	<-ctx.Done()
	_, _ = fmt.Fprintln(out, "told")
	<-time.After(20 * time.Second) // not for ever: a broken test leaves nothing behind
	return errors.New("was not killed")
}

func TestSignals(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		command string
		signals []os.Signal
		code    int
	}{
		"a polite program ends well":     {"polite", []os.Signal{syscall.SIGTERM}, 0},
		"a second interrupt kills":       {"deaf", []os.Signal{syscall.SIGINT, syscall.SIGINT}, 130},
		"an interrupt after SIGTERM too": {"deaf", []os.Signal{syscall.SIGTERM, syscall.SIGINT}, 130},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], tc.command)
			cmd.Env = []string{asProgram + "=1"}
			out, err := cmd.StdoutPipe()
			if err == nil {
				err = cmd.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(out)
			for _, s := range tc.signals {
				if !lines.Scan() { // it says when it is ready for the next
					t.Fatal("ended before it was told to")
				}
				if err := cmd.Process.Signal(s); err != nil {
					t.Fatal(err)
				}
			}
			_ = cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); got != tc.code {
				t.Errorf("got exit code %d (%s), want %d", got, cmd.ProcessState, tc.code)
			}
		})
	}
}

func TestLine(t *testing.T) {
	t.Parallel()
	fromWire := status.Error(codes.NotFound, "nobody has this name")
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"plain":                 {errors.New("it did not work"), "it did not work"},
		"from the wire":         {fromWire, "nobody has this name"},
		"from the wire, within": {fmt.Errorf("add news: %w", fromWire), "add news: nobody has this name"},
		"several":               {errors.Join(errors.New("one"), errors.New("two")), "one; two"},
		"ours, not yet sent":    {rpc.Error(codes.Unavailable, "X", "come back", rpc.WithCause(errors.New("dial"))), "come back"},
	} {
		if got := Line(tc.err); got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}

type settings struct {
	Size     int        `help:"A size." default:"7"`
	Password env.Secret `help:"A secret." required:""`
	Inner    struct {
		Deep string `default:"d"`
	} `embed:"" prefix:"inner-"`
}

func (s *settings) Validate() error {
	if s.Size < 0 {
		return errors.New("size: see https://example.com/sizes for more")
	}
	return nil
}

func (s *settings) Run(ctx context.Context, out io.Writer) error {
	PrintConfig(out, s)
	if ctx == nil || s.Password.Reveal() == "" {
		return errors.New("something was not handed in")
	}
	return nil
}

func TestSettings(t *testing.T) {
	t.Parallel()
	password := "MY_PROG_PASSWORD=hunter2"
	for name, tc := range map[string]struct {
		args, environ []string
		code          int
		want          []string
	}{
		"from the environment":  {[]string{"do"}, []string{password, "MY_PROG_SIZE=9", "MY_PROG_INNER_DEEP=x"}, 0, []string{"size                     9", "inner-deep               x", "password                 ***"}},
		"a flag wins":           {[]string{"do", "--size=8"}, []string{password, "MY_PROG_SIZE=9"}, 0, []string{"size                     8"}},
		"a value that is wrong": {[]string{"do"}, []string{password, "MY_PROG_SIZE=many"}, 2, []string{"my-prog: ", "MY_PROG_SIZE", "a whole number", "(see my-prog --help)"}},
		"a required one":        {[]string{"do"}, nil, 2, []string{"my-prog: missing flags: --password"}},
		"two typos":             {[]string{"do"}, []string{password, "MY_PROG_SISE=9", "MY_PROG_SICE=9"}, 2, []string{"MY_PROG_SISE, did you mean MY_PROG_SIZE?; unknown", "MY_PROG_SICE"}},
		"help":                  {[]string{"--help"}, nil, 0, []string{"Usage: my-prog", "A program.", "do "}},
		"help of a command":     {[]string{"do", "--help"}, nil, 0, []string{"A size ($MY_PROG_SIZE).", "$MY_PROG_PASSWORD"}},
		"a page to look at":     {[]string{"do"}, []string{password, "MY_PROG_SIZE=-1"}, 2, []string{"see https://example.com/sizes for more"}},
		"no command":            {nil, []string{password}, 2, []string{"my-prog: expected"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var cli struct {
				Do settings `cmd:"" help:"Does it."`
			}
			var out strings.Builder
			code := Run(t.Context(), "my-prog", "A program.", &cli, tc.args, tc.environ, &out, &out)
			if code != tc.code || strings.Contains(out.String(), "hunter2") {
				t.Errorf("got %d %q, want %d and no secret", code, out.String(), tc.code)
			}
			for _, want := range tc.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("got %q, want %q in it", out.String(), want)
				}
			}
			if code == 2 && strings.Count(out.String(), "\n") != 1 {
				t.Errorf("got %q, want one line", out.String())
			}
		})
	}
}

func TestACancelledCallIsNoFailureOnceWeAreTold(t *testing.T) {
	t.Parallel()
	told, cancel := context.WithCancel(t.Context())
	cancel()
	gone := status.Error(codes.Canceled, "context canceled")
	if got := report(told, io.Discard, "prog", gone); got != 0 {
		t.Errorf("got %d after being told to stop, want 0", got)
	}
	if got := report(t.Context(), io.Discard, "prog", gone); got != 1 {
		t.Errorf("got %d when somebody else cancelled, want 1", got)
	}
}
