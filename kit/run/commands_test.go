package run

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidemark/tidemark/kit/env"
)

type sorts struct {
	Word    string            `help:"A word." default:"w"`
	Colour  string            `help:"A colour." default:"red" enum:"red,blue"`
	Loud    bool              `help:"A switch." short:"l"`
	Count   int32             `help:"A number." default:"3"`
	Big     uint64            `help:"A number." default:"4"`
	Share   float64           `help:"A number." default:"0.5"`
	Every   time.Duration     `help:"A time." default:"5m"`
	Ages    []time.Duration   `help:"Times." default:"1h,6h"`
	Labels  map[string]string `help:"Pairs." placeholder:"NAME=VALUE;..."`
	File    string            `help:"A file." type:"path" default:"~/x"`
	HTTPUrl env.Secret        `help:"A secret."`
	One     int               `help:"This," xor:"either"`
	Other   int               `help:"or that." xor:"either"`
	Refs    []string          `arg:"" name:"ref" help:"What for."`
}

// Run tells what it was told.
func (s *sorts) Run(out io.Writer) error {
	_, err := fmt.Fprintf(out, "%s %s %t %d %d %g %s %v %v %s %s %d %d %v", s.Word, s.Colour, s.Loud, s.Count, s.Big, s.Share, s.Every, s.Ages, s.Labels, s.File, s.HTTPUrl.Reveal(), s.One, s.Other, s.Refs)
	return err
}

type one struct {
	Name string `arg:"" help:"Whose."`
	More string `arg:"" optional:"" help:"And whose."`
}

// Run tells what it was told.
func (o *one) Run(_ context.Context, out io.Writer) error {
	_, err := fmt.Fprintf(out, "%q %q", o.Name, o.More)
	return err
}

func TestEverySortOfFlagAndArgument(t *testing.T) {
	t.Parallel()
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Abs("y")
	if err != nil {
		t.Fatal(err)
	}
	defaults := "w red false 3 4 0.5 5m0s [1h0m0s 6h0m0s] map[] " + home + "/x  0 0 "
	for name, tc := range map[string]struct {
		args, environ string
		code          int
		want          string
	}{
		"defaults":             {"sorts a", "", 0, defaults + "[a]"},
		"arguments":            {"sorts a b --word=w c", "", 0, defaults + "[a b c]"},
		"all of them":          {"sorts --word x --colour=blue -l --count -7 --big=9 --share=1e-3 --every 90s --ages=1m,2m --ages=3m --labels=a=1;b=2 --labels c=x=y --file y --http-url s --one=1 a", "", 0, "x blue true -7 9 0.001 1m30s [1m0s 2m0s 3m0s] map[a:1 b:2 c:x=y] " + here + " s 1 0 [a]"},
		"the environment":      {"sorts a --word=flag", "P_WORD=env P_COLOUR=blue P_LOUD=true P_COUNT=8 P_AGES= P_LABELS=a=1 P_FILE=- P_OTHER=2", 0, "flag blue true 8 4 0.5 5m0s [] map[a:1] -  0 2 [a]"},
		"a switch turned off":  {"sorts a --loud=false", "P_LOUD=true", 0, defaults + "[a]"},
		"one argument":         {"one n", "", 0, `"n" ""`},
		"both arguments":       {"one n m", "", 0, `"n" "m"`},
		"no argument":          {"one", "", 2, "p: expected <name> [<more>] (see p --help)"},
		"no arguments":         {"sorts", "", 2, "expected <ref> ..."},
		"an argument too many": {"one a b c", "", 2, "unexpected argument c"},
		"two that exclude":     {"sorts a --one=1 --other=2", "", 2, "--one and --other cannot be used together"},
		"none of the choices":  {"sorts a --colour=green", "", 2, `--colour: "green": want one of red, blue`},
		"the same, elsewhere":  {"sorts a", "P_COLOUR=green", 2, `--colour: "green": want one of red, blue`},
		"no number":            {"sorts a --count=many", "", 2, `--count: "many": want a whole number`},
		"a number too big":     {"sorts a --count=99999999999", "", 2, `--count: "99999999999": want a whole number`},
		"no duration":          {"sorts a --ages=1h,6", "", 2, `--ages: "6": want a duration, as 90s, 5m or 1h30m`},
		"no pair":              {"sorts a --labels=x", "", 2, `--labels: "x": want NAME=VALUE`},
		"no switch":            {"sorts a", "P_LOUD=perhaps", 2, `P_LOUD: "perhaps": want true or false`},
		"no value":             {"sorts a --word", "", 2, "flag needs an argument: --word"},
		"an unknown letter":    {"sorts a -x", "", 2, "unknown flag -x"},
		"a dash too many":      {"sorts a ---http-url=hunter2", "", 2, `p: unknown flag ---http-url, did you mean "--http-url"? (see p --help)`},
		"a flag of no name":    {"sorts a --=hunter2", "", 2, "p: unknown flag -- (see p --help)"},
		"yes":                  {"sorts a --loud=yes", "", 0, "w red true"},
		"no":                   {"sorts a --loud=NO", "P_LOUD=yes", 0, defaults + "[a]"},
		"a short one misspelt": {"group on", "", 2, `unexpected argument on, did you mean "one"?`},
		"a command misspelt":   {"sort a", "", 2, `unexpected argument sort, did you mean "sorts"?`},
		"a group misspelt":     {"group onne", "", 2, `unexpected argument onne, did you mean "one"?`},
		"a group alone":        {"group", "", 2, "expected one of one"},
		"below a group":        {"group one n", "", 0, `"n" ""`},
		"help of arguments":    {"one --help", "", 0, "Usage: p one [flags] <name> [<more>]"},
		"help of a group":      {"--help", "", 0, "  group one <name> [<more>]   Of a group."},
		"help of a flag":       {"sorts --help", "", 0, "--labels NAME=VALUE;...   Pairs ($P_LABELS)."},
		"help of a choice":     {"sorts --help", "", 0, "A colour (red, blue) ($P_COLOUR). (default red)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var cli struct {
				Sorts sorts `cmd:"" help:"All."`
				One   one   `cmd:"" help:"One."`
				Group struct {
					One one `cmd:"" help:"Of a group."`
				} `cmd:"" help:"Some."`
			}
			var out strings.Builder
			code := Run(t.Context(), "p", "A program.", &cli, strings.Fields(tc.args), strings.Fields(tc.environ), &out, &out)
			if code != tc.code || !strings.Contains(out.String(), tc.want) {
				t.Errorf("got %d, %s, want %d, %s", code, out.String(), tc.code, tc.want)
			}
		})
	}
}

func TestFlagsAreNamedAsTheirFields(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]string{"Dir": "dir", "DataDir": "data-dir", "DatabaseURL": "database-url", "OTLPEndpoint": "otlp-endpoint", "X509Cert": "x509-cert"} {
		if got := kebab(field); got != want {
			t.Errorf("%s: got %s, want %s", field, got, want)
		}
	}
}
