package locks

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tidemark/tidemark/kit/auth"
)

const (
	// giveFor is how long a program's token is good.
	giveFor = 90 * 24 * time.Hour
	// giveAnew is how long before its end it gets another.
	giveAnew = giveFor / 3
)

// Give keeps a token in a file, for a program that cannot be shown one: made when it is missing, and anew when it was revoked or nears its end.
type Give struct {
	root
	Name  string     `arg:"" help:"Whose it is; it stands in the audit log, and names the folder."`
	Scope auth.Scope `help:"read, operate or admin." required:"" placeholder:"SCOPE"`
}

// Run sees to it that there is a good one. The token itself is never printed.
func (c *Give) Run(out io.Writer) error { return c.give(out, time.Now()) }

func (c *Give) give(out io.Writer, now time.Time) error {
	path := c.tokenOf(c.Name)
	have, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the token of %s: %w", c.Name, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make the folder of the token of %s: %w", c.Name, err)
	}
	done := "kept"
	err = auth.ChangeTokens(c.tokens(), func(all []auth.Token) ([]auth.Token, error) {
		if slices.ContainsFunc(all, func(t auth.Token) bool { return c.good(t, string(have), now) }) {
			return all, nil
		}
		done = "made"
		text, token := auth.NewToken(c.Name, c.Scope, now)
		end := token.CreatedAt.Add(giveFor)
		token.ExpiresAt = &end
		left := slices.DeleteFunc(slices.Clone(all), func(t auth.Token) bool { return t.Name == c.Name })
		return append(left, token), auth.Replace(path, []byte(text+"\n"), 0o600)
	})
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "%s: token of %s, scope %s\n", done, c.Name, c.Scope)
	return nil
}

// good is true of the token whose text this is, while it has some life left.
func (c *Give) good(t auth.Token, text string, now time.Time) bool {
	return t.Name == c.Name && t.Scope == c.Scope && t.Is(strings.TrimSpace(text)) && !t.Expired(now.Add(giveAnew))
}
