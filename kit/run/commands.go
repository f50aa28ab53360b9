package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tidemark/tidemark/kit/env"
)

// program is a command line while it is understood.
type program struct {
	environ []string
	nodes   map[*cobra.Command]*node
	chosen  *node // whose time has come; nil when help was all that was wanted
}

// command is a node for cobra, which finds the command and its flags; what they mean is ours.
func (p *program) command(n *node) *cobra.Command {
	c := &cobra.Command{
		Use: n.name, Args: cobra.ArbitraryArgs, SilenceErrors: true, SilenceUsage: true,
		RunE: func(_ *cobra.Command, args []string) error { return p.choose(n, args) },
	}
	p.nodes[c] = n
	for _, k := range n.flags {
		flag := &pflag.Flag{Name: k.name, Shorthand: k.tag.Get("short"), Usage: k.usage(), Value: (*said)(k), DefValue: k.tag.Get("default")}
		if k.target.Kind() == reflect.Bool {
			flag.NoOptDefVal = "true"
		}
		c.Flags().AddFlag(flag)
	}
	c.Flags().SortFlags = false
	for _, child := range n.children {
		c.AddCommand(p.command(child))
	}
	return c
}

// choose takes a command that was named, its arguments, and what the environment says about the rest.
func (p *program) choose(n *node, args []string) error {
	if len(n.children) > 0 {
		return n.below(args)
	}
	if err := n.take(args); err != nil {
		return err
	}
	if err := p.environment(n); err != nil {
		return err
	}
	if err := n.complete(); err != nil {
		return err
	}
	p.chosen = n
	return nil
}

// below is for a group of which no command was named.
func (n *node) below(args []string) error {
	var names []string
	for _, child := range n.children {
		names = append(names, child.name)
	}
	switch {
	case len(args) > 0 && env.Nearest(args[0], names) != "":
		return fmt.Errorf("unexpected argument %s, did you mean %q?", args[0], env.Nearest(args[0], names))
	case len(args) > 0:
		return fmt.Errorf("unexpected argument %s", args[0])
	}
	return fmt.Errorf("expected one of %s", strings.Join(names, ", "))
}

// environment sets what the command line left open.
func (p *program) environment(n *node) error {
	for _, k := range n.flags {
		if k.said {
			continue
		}
		i := slices.IndexFunc(p.environ, func(entry string) bool { return strings.HasPrefix(entry, k.variable+"=") })
		if i < 0 {
			continue
		}
		if err := k.add(p.environ[i][len(k.variable)+1:]); err != nil {
			return fmt.Errorf("%s: %w", k.variable, err)
		}
	}
	return nil
}

// take gives each argument its place.
func (n *node) take(args []string) error {
	for _, k := range n.args {
		_, optional := k.tag.Lookup("optional")
		many := k.target.Kind() == reflect.Slice
		switch {
		case len(args) == 0 && !optional:
			return fmt.Errorf("expected %s", n.usage())
		case len(args) == 0:
			return nil
		}
		mine := args[:1]
		if many {
			mine = args
		}
		for _, text := range mine {
			if err := k.add(text); err != nil {
				return fmt.Errorf("<%s>: %w", k.name, err)
			}
		}
		args = args[len(mine):]
	}
	if len(args) > 0 {
		return fmt.Errorf("unexpected argument %s", args[0])
	}
	return nil
}

// complete complains about what is missing, or does not go together, or is wrong in its meaning.
func (n *node) complete() error {
	var missing []string
	either := map[string]string{}
	for _, k := range n.flags {
		if _, required := k.tag.Lookup("required"); required && !k.said {
			missing = append(missing, "--"+k.name)
		}
		if err := k.allowed(); err != nil {
			return err
		}
		if group := k.tag.Get("xor"); group != "" && k.said {
			if other := either[group]; other != "" {
				return fmt.Errorf("--%s and --%s cannot be used together", other, k.name)
			}
			either[group] = k.name
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("missing flags: %s", strings.Join(missing, ", "))
	}
	if v, ok := n.value.Addr().Interface().(interface{ Validate() error }); ok {
		return v.Validate()
	}
	return nil
}

// run runs the chosen command.
func (n *node) run(ctx context.Context, out io.Writer) error {
	switch c := n.value.Addr().Interface().(type) {
	case interface {
		Run(ctx context.Context, out io.Writer) error
	}:
		return c.Run(ctx, out)
	case interface {
		Run(ctx context.Context) error
	}:
		return c.Run(ctx)
	case interface{ Run(out io.Writer) error }:
		return c.Run(out)
	}
	panic(fmt.Sprintf("the command %s has no Run method that we know", n.name)) // a mistake of ours
}

// said is a flag while the command line is read.
type said knob

// Set takes what was said.
func (s *said) Set(text string) error { return (*knob)(s).add(text) }

// String is for pflag, which asks for nothing that we show.
func (s *said) String() string { return "" }

// misunderstood says which flag was meant, perhaps.
func misunderstood(c *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var malformed *pflag.InvalidSyntaxError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		name := "--" + unknown.GetSpecifiedName()
		if unknown.GetSpecifiedShortnames() != "" {
			name = name[1:]
		}
		return unknownFlag(c, name)
	case errors.As(err, &malformed): // ---password=x: what follows the = may be secret
		name, _, _ := strings.Cut(malformed.GetSpecifiedFlag(), "=")
		return unknownFlag(c, name)
	case errors.As(err, &invalid):
		return fmt.Errorf("--%s: %w", invalid.GetFlag().Name, errors.Unwrap(invalid))
	}
	return err
}

func unknownFlag(c *cobra.Command, name string) error {
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
	if near := env.Nearest(name, names); near != "" {
		return fmt.Errorf("unknown flag %s, did you mean %q?", name, near)
	}
	return fmt.Errorf("unknown flag %s", name)
}
