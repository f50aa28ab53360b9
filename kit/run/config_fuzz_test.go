package run

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/tidemark/tidemark/kit/env"
)

// knobs are of every kind that our commands have.
type knobs struct {
	DatabaseURL env.Secret        `help:"Secret." placeholder:"URL"`
	Every       time.Duration     `help:"Duration." default:"5m"`
	Rate        float64           `help:"Number." default:"10"`
	MaxConns    int32             `help:"Small number." default:"10"`
	Format      string            `help:"One of some." default:"text" enum:"text,json"`
	Labels      map[string]string `help:"Pairs."`
	Add         struct {
		Ref string `arg:"" help:"Argument."`
	} `cmd:"" help:"Add."`
	List struct{} `cmd:"" help:"List."`
}

const typed = "postgres://u:hunter2@h/db"

// FuzzParse: a command line and an environment, however odd, are understood or refused as usage, and what is secret in them is not repeated, wherever
// a slip of the keyboard put it.
func FuzzParse(f *testing.F) {
	for _, seed := range []struct{ args, environ string }{
		{"--rate=0123456789abcdef0123456789abcdef", ""},
		{"--database-url=" + typed, ""}, {"--database-url\n" + typed, ""}, {"--database-url\n=\n" + typed, ""}, {"--database-urll=" + typed, ""}, {typed, ""}, {"add\na\n" + typed, ""},
		{"list", "TEST_DATABASE_URL=" + typed}, {"list", "TEST_DATABASE_URLL=" + typed}, {"list", "TEST_" + typed}, {"--format=" + typed, ""}, {"--every=" + typed, ""},
		{"--max-conns\n" + typed, ""}, {"--rate=" + typed, ""}, {"--labels=" + typed, ""}, {"-" + typed, ""}, {"list", "TEST_MAX_CONNS=" + typed}, {"--" + typed, ""},
		{"list", "TEST_EVERY=x\nTEST_RATE=NaN\nTEST_FORMAT=\x00"}, {"--", "="}, {"--max-conns=99999999999999999999", ""}, {"lsit", ""}, {"--help=\xff", "\xff"},
	} {
		f.Add(seed.args, seed.environ)
	}
	f.Fuzz(func(t *testing.T, args, environ string) {
		if strings.Contains(args, "-h") { // help is served by leaving the process
			return
		}
		var cli knobs
		_, err := parse("test", "", strings.Split(args, "\n"), strings.Split(environ, "\n"), &cli, io.Discard)
		if err == nil {
			return
		}
		if text := err.Error(); strings.Contains(text, "u:hunter2@h") || strings.Contains(text, "0123456789abcdef0123456789abcdef") || text == "" {
			t.Errorf("%q in %q: %s", args, environ, text)
		}
	})
}
