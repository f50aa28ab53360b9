package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"reflect"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
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
	chosen, err := parse(name, description, args, environ, cli, stdout)
	if err == nil && chosen != nil {
		err = chosen.run(ctx, stdout)
	}
	return report(ctx, stderr, name, err)
}

// parse reads a command line and an environment ("NAME=value") into cli, a pointer to a struct of flags and commands. What cannot be understood is a
// UsageError; a mistake in cli's own tags is a panic. It answers no command when help was asked for, and shown on out.
func parse(name, description string, args, environ []string, cli any, out io.Writer) (*node, error) {
	root := tree(name, prefix(name), reflect.ValueOf(cli).Elem())
	if err := root.settle(); err != nil {
		panic(fmt.Errorf("the command line of %s: %w", name, err))
	}
	p := program{environ: environ, nodes: map[*cobra.Command]*node{}}
	command := p.command(root)
	root.help, command.CompletionOptions.DisableDefaultCmd = description, true
	command.SetHelpFunc(func(c *cobra.Command, _ []string) { p.help(c) })
	command.SetFlagErrorFunc(misunderstood)
	command.SetArgs(append([]string{}, args...)) // of nil cobra would make os.Args
	command.SetOut(out)
	command.SetErr(out)
	err := env.Unknown(prefix(name), variables(root), environ)
	if err == nil {
		err = command.Execute()
	}
	if err != nil {
		return nil, UsageError{fmt.Errorf("%s (see %s --help)", discreet(err.Error()), name)}
	}
	return p.chosen, nil
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
func variables(n *node) (names []string) {
	for _, k := range n.all() {
		names = append(names, k.variable)
	}
	return names
}

// Defaults is a configuration struct with the defaults of its tags: one source for both flags and code. What it requires may still be missing.
func Defaults[T any]() T {
	var c T
	if err := tree("", "", reflect.ValueOf(&c).Elem()).settle(); err != nil {
		panic(fmt.Errorf("defaults of %T: %w", c, err)) // a mistake in our own tags
	}
	return c
}
