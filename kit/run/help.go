package run

import (
	"fmt"
	"io"
	"reflect"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// helpWidth is where help wraps.
const helpWidth = 120

// help shows one command, or a group and all commands below it.
func (p *program) help(c *cobra.Command) {
	n, out, path := p.nodes[c], c.OutOrStdout(), c.CommandPath()
	if n == nil { // cobra's own
		return
	}
	use := path + " [flags] " + n.usage()
	if len(n.children) > 0 {
		use = path + " <command>"
	}
	_, _ = fmt.Fprintf(out, "Usage: %s\n\n%s\n", strings.TrimSpace(use), n.help)
	n.describe(out)
	_, _ = fmt.Fprintf(out, "\nFlags:\n%s", c.Flags().FlagUsagesWrapped(helpWidth))
	if len(n.children) > 0 {
		_, _ = fmt.Fprintf(out, "\nRun \"%s <command> --help\" for more on a command.\n", path)
	}
}

// describe lists arguments and commands.
func (n *node) describe(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	if len(n.args) > 0 {
		_, _ = fmt.Fprintln(w, "\nArguments:")
	}
	for _, k := range n.args {
		_, _ = fmt.Fprintf(w, "  <%s>\t%s\n", k.name, k.tag.Get("help"))
	}
	if len(n.children) > 0 {
		_, _ = fmt.Fprintln(w, "\nCommands:")
	}
	for _, child := range n.children {
		child.line(w, "  ")
	}
	_ = w.Flush()
}

func (n *node) line(w io.Writer, before string) {
	if len(n.children) == 0 {
		_, _ = fmt.Fprintf(w, "%s\t%s\n", strings.TrimRight(before+n.name+" "+n.usage(), " "), n.help)
	}
	for _, child := range n.children {
		child.line(w, before+n.name+" ")
	}
}

// usage are the arguments, for people.
func (n *node) usage() string {
	var all []string
	for _, k := range n.args {
		text := "<" + k.name + ">"
		if k.target.Kind() == reflect.Slice {
			text += " ..."
		}
		if _, optional := k.tag.Lookup("optional"); optional {
			text = "[" + text + "]"
		}
		all = append(all, text)
	}
	return strings.Join(all, " ")
}

// Type is what stands for the value in the help.
func (s *said) Type() string {
	k := (*knob)(s)
	switch {
	case k.tag.Get("placeholder") != "":
		return k.tag.Get("placeholder")
	case k.target.Kind() == reflect.Bool:
		return "bool"
	}
	if k.target.Type() == reflect.TypeFor[time.Duration]() {
		return "DURATION"
	}
	return map[bool]string{true: "N", false: "TEXT"}[k.target.CanInt() || k.target.CanUint() || k.target.CanFloat()]
}

// usage is a flag's help, with the variable that is the same.
func (k *knob) usage() string {
	help := strings.TrimSuffix(k.tag.Get("help"), ".")
	if k.tag.Get("enum") != "" && !strings.Contains(help, " or ") {
		help += " (" + strings.ReplaceAll(k.tag.Get("enum"), ",", ", ") + ")"
	}
	return help + " ($" + k.variable + ")."
}
