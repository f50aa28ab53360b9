package locks

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/tidemark/tidemark/kit/auth"
)

// Tokens are the commands about bearer tokens.
type Tokens struct {
	Create tokensCreate `cmd:"" help:"Make a token and show it, once."`
	List   tokensList   `cmd:"" help:"Show which tokens there are, without the tokens."`
	Revoke tokensRevoke `cmd:"" help:"Take a token back: services refuse it from the next call on."`
}

// tokens is a file of tokens.
type tokens struct {
	File string `help:"The tokens file, as services have it in --tokens-file." default:"tokens.json" type:"path"`
}

type tokensCreate struct {
	tokens
	Name           string        `help:"Whose it is; it stands in the audit log." required:""`
	Scope          auth.Scope    `help:"read, operate (includes read) or admin (includes operate)." required:"" placeholder:"SCOPE"`
	For            time.Duration `help:"How long it is good; 0 is for ever." default:"2160h"`
	CallsPerSecond float64       `help:"How often it may be used; 0 is 100 for read, 50 for operate, 20 for admin. Twice as many may come at once."`
}

// Run makes a token. It is the only thing on standard output, so that a pipe takes it; what to know about it comes before it.
func (c *tokensCreate) Run(out io.Writer) error {
	now := time.Now()
	text, token := auth.NewToken(c.Name, c.Scope, now)
	token.Rate = c.CallsPerSecond
	if c.For < 0 {
		return errors.New("--for must not be negative")
	} else if c.For > 0 {
		end := now.Add(c.For).UTC().Truncate(time.Second)
		token.ExpiresAt = &end
	}
	err := auth.ChangeTokens(c.File, func(all []auth.Token) ([]auth.Token, error) {
		if slices.ContainsFunc(all, func(t auth.Token) bool { return t.Name == c.Name }) {
			return nil, fmt.Errorf("there is a token %s already: revoke it first, or choose another --name", c.Name)
		}
		return append(all, token), nil
	})
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintln(out, text)
	return nil
}

type tokensList struct{ tokens }

// Run shows the tokens.
func (c *tokensList) Run(out io.Writer) error {
	all, err := auth.ReadTokens(c.File)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no tokens file at %s: `tidemark tokens create` makes it", c.File)
	} else if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "NAME\tSCOPE\tCREATED\tEXPIRES")
	for _, t := range all {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", t.Name, t.Scope, t.CreatedAt.UTC().Format(time.DateOnly), expiry(t, time.Now()))
	}
	return table.Flush()
}

func expiry(t auth.Token, now time.Time) string {
	switch {
	case t.ExpiresAt == nil:
		return "never"
	case t.Expired(now):
		return "EXPIRED " + t.ExpiresAt.UTC().Format(time.DateOnly)
	}
	return t.ExpiresAt.UTC().Format(time.DateOnly)
}

type tokensRevoke struct {
	tokens
	Name string `arg:"" help:"Whose token."`
}

// Run takes a token back.
func (c *tokensRevoke) Run(out io.Writer) error {
	err := auth.ChangeTokens(c.File, func(all []auth.Token) ([]auth.Token, error) {
		left := slices.DeleteFunc(slices.Clone(all), func(t auth.Token) bool { return t.Name == c.Name })
		if len(left) == len(all) {
			return nil, fmt.Errorf("there is no token %s in %s", c.Name, c.File)
		}
		return left, nil
	})
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "revoked: %s\n", c.Name)
	return nil
}
