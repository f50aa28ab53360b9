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

	"github.com/alecthomas/kong"
	"google.golang.org/grpc/status"

	"github.com/tidemark/tidemark/kit/env"
)

// exitUsage is the exit code for a command line or environment that cannot be understood.
const exitUsage = 2

// UsageError is a command line or environment that cannot be understood.
type UsageError struct{ err error }

// Error says what is wrong.
func (e UsageError) Error() string { return e.err.Error() }

// Main is the whole of a main function: it reads flags and environment (names as the flags, with the program's name as prefix), runs the
// chosen command's `Run(ctx context.Context) error` until done or told to stop, and prints one line when that fails. A second
// interrupt kills at once.
func Main(name, description string, cli any) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(Run(ctx, name, description, cli, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// Run is Main without the process around it: it answers the exit code.
func Run(ctx context.Context, name, description string, cli any, args, environ []string, stdout, stderr io.Writer) int {
	code := -1
	parser, err := kong.New(cli, kong.Name(name), kong.Description(description), kong.DefaultEnvars(prefix(name)),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}), kong.Writers(stdout, stderr), kong.Exit(func(c int) { code = c }),
		kong.BindTo(stdout, (*io.Writer)(nil)))
	if err != nil {
		panic(fmt.Errorf("the command line of %s: %w", name, err)) // a mistake in our own tags
	}
	command, err := parse(parser, name, args, environ)
	if code >= 0 { // --help was served
		return code
	}
	if err == nil {
		command.BindTo(ctx, (*context.Context)(nil))
		err = command.Run()
	}
	return report(stderr, name, err)
}

func parse(parser *kong.Kong, name string, args, environ []string) (*kong.Context, error) {
	if err := env.Unknown(prefix(name), variables(parser.Model.Node), environ); err != nil {
		return nil, UsageError{err}
	}
	command, err := parser.Parse(args)
	if err != nil {
		return nil, UsageError{fmt.Errorf("%w (see %s --help)", err, name)}
	}
	return command, nil
}

func report(stderr io.Writer, name string, err error) int {
	var usage UsageError
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return 0
	case errors.As(err, &usage):
		_, _ = fmt.Fprintf(stderr, "%s: %s\n", name, err)
		return exitUsage
	}
	_, _ = fmt.Fprintf(stderr, "%s: %s\n", name, Line(err))
	return 1
}

// Line is an error for a person: of a call it is what the service said, without gRPC's frame.
func Line(err error) string {
	if s, ok := status.FromError(err); ok {
		return s.Message()
	}
	return err.Error()
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
		_, err = parser.Parse(nil)
	}
	if err != nil {
		panic(fmt.Errorf("defaults of %T: %w", c, err)) // a mistake in our own tags
	}
	return c
}

// PrintConfig writes the effective configuration, a line per setting, secrets hidden.
func PrintConfig(w io.Writer, config any) {
	v := reflect.Indirect(reflect.ValueOf(config))
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if field.Anonymous {
			PrintConfig(w, v.Field(i).Interface())
			continue
		}
		if field.IsExported() {
			_, _ = fmt.Fprintf(w, "%-24s %v\n", field.Name, v.Field(i).Interface())
		}
	}
}
