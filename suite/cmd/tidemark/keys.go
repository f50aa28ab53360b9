package main

import (
	"context"
	"fmt"
	"io"

	"github.com/tidemark/tidemark/kit/env"
	"github.com/tidemark/tidemark/services/parser"
)

type keysCmd struct {
	Rotate keysRotate `cmd:"" help:"Make a new session key, and seal all sessions with it. Nothing needs to stop; run it again if it was cut short."`
	Status keysStatus `cmd:"" help:"Show which keys seal how many sessions."`
	Prune  keysPrune  `cmd:"" help:"Forget the old keys, after checking that no session needs one."`
}

// keys are where the keys and what they seal are.
type keys struct {
	DatabaseURL    env.Secret `help:"The parser's Postgres, as postgres://USER:PASSWORD@HOST:PORT/NAME." required:"" placeholder:"URL"`
	SessionKeyFile string     `help:"The parser's key file." required:"" placeholder:"FILE" type:"path"`
}

func (k keys) parser() parser.Keys {
	return parser.Keys{DatabaseURL: k.DatabaseURL, File: k.SessionKeyFile}
}

type keysRotate struct{ keys }

// Run rotates.
func (c *keysRotate) Run(ctx context.Context, out io.Writer) error {
	sealed, err := c.parser().Rotate(ctx)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "a new key is first in %s, %d sessions are sealed with it; next: give the file to other machines, then tidemark keys prune\n", c.SessionKeyFile, sealed)
	return nil
}

type keysStatus struct{ keys }

// Run shows the keys.
func (c *keysStatus) Run(ctx context.Context, out io.Writer) error {
	counts, unknown, err := c.parser().Status(ctx)
	if err != nil {
		return err
	}
	for i, n := range counts {
		which := "newest key"
		if i > 0 {
			which = fmt.Sprintf("older key %d", i)
		}
		_, _ = fmt.Fprintf(out, "%-12s seals %d sessions\n", which, n)
	}
	if unknown > 0 {
		_, _ = fmt.Fprintf(out, "no key here opens %d sessions\n", unknown)
	}
	return nil
}

type keysPrune struct{ keys }

// Run prunes.
func (c *keysPrune) Run(ctx context.Context, out io.Writer) error {
	gone, err := c.parser().Prune(ctx)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "%d old keys are forgotten\n", gone)
	return nil
}
