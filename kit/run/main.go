package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tidemark/tidemark/kit/env"
)

// exitUsage is the exit code for a command line or environment that cannot be understood.
const exitUsage = 2

// UsageError is a command line or environment that cannot be understood.
type UsageError struct{ err error }

// Error says what is wrong.
func (e UsageError) Error() string { return e.err.Error() }

// Unwrap gives the reason.
func (e UsageError) Unwrap() error { return e.err }

// Usage makes an error one of usage: it exits with 2.
func Usage(err error) error { return UsageError{err} }

// Main is the whole of a main function: it reads flags and environment (names as the flags, with the program's name as prefix), runs the
// chosen command's `Run(ctx context.Context) error` until done or told to stop, and prints one line when that fails. A second
// interrupt ends it at once.
func Main(name, description string, cli any) {
	ctx, stop := context.WithCancel(context.Background())
	told := make(chan os.Signal, 2)
	signal.Notify(told, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-told
		stop()
		if s, ok := (<-told).(syscall.Signal); ok {
			os.Exit(128 + int(s)) // as a shell says it
		}
	}()
	os.Exit(Run(ctx, name, description, cli, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// Run is Main without the process around it: it answers the exit code.
func Run(ctx context.Context, name, description string, cli any, args, environ []string, stdout, stderr io.Writer) int {
	code := -1
	command, err := Parse(name, args, environ, cli, kong.Description(description), kong.Writers(stdout, stderr),
		kong.Exit(func(c int) { code = c }), kong.BindTo(stdout, (*io.Writer)(nil)))
	if code >= 0 { // --help was served
		return code
	}
	if err == nil {
		command.BindTo(ctx, (*context.Context)(nil))
		err = command.Run()
	}
	return report(ctx, stderr, name, err)
}

// Parse reads a command line and an environment ("NAME=value") into cli. What cannot be understood is a UsageError; a mistake in cli's
// own tags is a panic.
func Parse(name string, args, environ []string, cli any, opts ...kong.Option) (*kong.Context, error) {
	opts = append([]kong.Option{kong.Name(name), kong.DefaultEnvars(prefix(name)), kong.Resolvers(from(environ)),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true})}, opts...)
	parser, err := kong.New(cli, opts...)
	if err != nil {
		panic(fmt.Errorf("the command line of %s: %w", name, err))
	}
	if err := env.Unknown(prefix(name), variables(parser.Model.Node), environ); err != nil {
		return nil, UsageError{fmt.Errorf("%s (see %s --help)", discreet(err.Error()), name)}
	}
	command, err := parser.Parse(args)
	if err != nil {
		return nil, UsageError{fmt.Errorf("%s (see %s --help)", discreet(err.Error()), name)}
	}
	return command, nil
}

// from resolves flags from environ, so that a test needs not change its process's own.
func from(environ []string) kong.ResolverFunc {
	return func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		for _, entry := range environ {
			if name, value, ok := strings.Cut(entry, "="); ok && slices.Contains(flag.Envs, name) {
				return value, nil
			}
		}
		return nil, nil
	}
}

// report tells a person in one line, and answers the exit code.
func report(ctx context.Context, stderr io.Writer, name string, err error) int {
	if err == nil || stopped(ctx, err) {
		return 0
	}
	_, _ = fmt.Fprintf(stderr, "%s: %s\n", name, Line(err))
	if usage := (UsageError{}); errors.As(err, &usage) {
		return exitUsage
	}
	return 1
}

// stopped is true when somebody wanted the end, and err is only its echo.
func stopped(ctx context.Context, err error) bool {
	return errors.Is(err, context.Canceled) || ctx.Err() != nil && status.Code(err) == codes.Canceled
}

// Line is an error for a person, on one line: of a call it is what the service said, without gRPC's frame.
func Line(err error) string {
	text := err.Error()
	var said interface{ GRPCStatus() *status.Status }
	if errors.As(err, &said) {
		if inner, ok := said.(error); ok {
			text = strings.Replace(text, inner.Error(), said.GRPCStatus().Message(), 1)
		}
	}
	return strings.ReplaceAll(text, "\n", "; ")
}

func prefix(name string) string { return strings.ToUpper(strings.ReplaceAll(name, "-", "_")) }

// variables are the environment names of all flags of all commands.
func variables(n *kong.Node) (names []string) {
	for _, f := range n.Flags {
		names = append(names, f.Envs...)
	}
	for _, c := range n.Children {
		names = append(names, variables(c)...)
	}
	return names
}

// Defaults is a configuration struct with the defaults of its tags: one source for both flags and code.
func Defaults[T any]() T {
	var c T
	parser, err := kong.New(&c, kong.Name("defaults"), kong.Exit(func(int) {}))
	if err == nil {
		err = applyDefaults(parser)
	}
	if err != nil {
		panic(fmt.Errorf("defaults of %T: %w", c, err)) // a mistake in our own tags
	}
	return c
}

// applyDefaults judges nothing: what a configuration requires may still be missing.
func applyDefaults(parser *kong.Kong) error {
	command, err := kong.Trace(parser, nil)
	if err != nil {
		return err
	}
	return command.ApplyDefaults()
}
