package locks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/tidemark/tidemark/kit/auth"
	"github.com/tidemark/tidemark/kit/auth/ca"
)

// root is the folder that everything is below, see the package's story.
type root struct {
	Dir string `help:"Folder that all of it is in." default:"/locks" type:"path"`
}

func (r root) authority() string       { return filepath.Join(r.Dir, "ca") }
func (r root) own(name string) string  { return filepath.Join(r.Dir, name) }
func (r root) certificate() string     { return filepath.Join(r.Dir, "shared", "ca.crt") }
func (r root) tokens() string          { return filepath.Join(r.Dir, "shared", "tokens.json") }
func (r root) tokenOf(n string) string { return filepath.Join(r.own(n), "token") }

// Keep makes what is missing and renews what nears its end: the authority, a certificate for each service, and a file for tokens.
type Keep struct {
	root
	Service []string      `arg:"" help:"Names of services: common name and host name of their certificates."`
	Host    []string      `help:"More hosts that all of them serve on." default:"localhost,127.0.0.1" placeholder:"NAME,IP"`
	Every   time.Duration `help:"Go on, and look again after this long; 0 ends after once." placeholder:"DURATION"`
}

// Run keeps them until told to stop, or once.
func (c *Keep) Run(ctx context.Context, out io.Writer) error {
	for {
		if err := c.once(out, time.Now()); err != nil || c.Every <= 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(c.Every):
		}
	}
}

func (c *Keep) once(out io.Writer, now time.Time) error {
	made, err := ca.Init(c.authority(), now)
	if err != nil {
		return err
	}
	say(out, made, "the authority")
	from, _ := ca.Paths(c.authority(), "ca")
	if err := spread(from, c.certificate(), 0o644); err != nil {
		return err
	}
	for _, name := range c.Service {
		issued, err := ca.Issue(c.authority(), name, c.Host, true, now)
		if err != nil {
			return err
		}
		say(out, issued, name)
		crt, key := ca.Paths(c.authority(), name)
		ownCrt, ownKey := ca.Paths(c.own(name), name)
		if err := errors.Join(spread(key, ownKey, 0o600), spread(crt, ownCrt, 0o644)); err != nil {
			return err
		}
	}
	if _, err := os.Stat(c.tokens()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return auth.ChangeTokens(c.tokens(), func(all []auth.Token) ([]auth.Token, error) { return all, nil })
}

func say(out io.Writer, o ca.Outcome, name string) {
	_, _ = fmt.Fprintf(out, "%s: certificate of %s, good until %s\n", o.Done, name, o.Cert.NotAfter.UTC().Format(time.DateOnly))
}

// spread copies a file, unless that would change nothing: those who follow it should not hear of it daily.
func spread(from, to string, mode fs.FileMode) error {
	content, err := os.ReadFile(from) //nolint:gosec // of our own folder
	if err != nil {
		return fmt.Errorf("read what was made: %w", err)
	}
	if there, err := os.ReadFile(to); err == nil && bytes.Equal(there, content) { //nolint:gosec // of our own folder
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil { //nolint:gosec // others read certificates
		return fmt.Errorf("make the folder of %s: %w", to, err)
	}
	return auth.Replace(to, content, mode)
}

// Authority shows the certificate of the authority, for those who call.
type Authority struct{ root }

// Run prints it.
func (c *Authority) Run(out io.Writer) error {
	content, err := os.ReadFile(c.certificate())
	if err != nil {
		return fmt.Errorf("there is no authority yet: %w", err)
	}
	_, err = out.Write(content)
	return err
}
