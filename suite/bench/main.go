// Command bench measures a backfill end to end, beside the raw figures of the parts that it is made of, in one run on one machine.
//
// The all-in-one, the simulated Telegram, Postgres and Redis are processes of their own, so that CPU seconds and memory can be told apart.
// The figure is from the first channel added to the last mark complete, all posts in Postgres and all events in Redis.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"time"

	"github.com/tidemark/tidemark/kit/run"
)

func main() {
	run.Main("tidemark-bench", "Measures a backfill end to end, beside the raw figures of its parts.", &bench{})
}

type bench struct {
	Bin      string `help:"Where the tidemark and tgsim commands are." default:"bin" type:"path"`
	Channels int    `help:"Channels." default:"10"`
	Messages int    `help:"Message ids per channel." default:"10000"`
	Workers  int    `help:"Channels read at the same time." default:"8"`
	Rounds   int    `help:"Backfills, each on fresh stores; the raw figures are taken once." default:"3"`
}

// Run measures and prints.
func (b *bench) Run(ctx context.Context, out io.Writer) error {
	_, _ = fmt.Fprintf(out, "%d cores, %s %s/%s, %d channels x %d message ids\n\n", runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH, b.Channels, b.Messages)
	var best round
	for i := range b.Rounds {
		r, err := b.round(ctx)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(out, "round %d: %s\n", i+1, r)
		if r.rate() > best.rate() {
			best = r
		}
	}
	raw, err := b.raw(ctx)
	if err != nil {
		return err
	}
	best.table(out, raw)
	return nil
}

// quiet is for stores: what they log is no part of the figures.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// temp is a directory for one round.
func temp() (dir string, remove func(), err error) {
	dir, err = os.MkdirTemp("", "tidemark-bench-")
	if err == nil {
		err = os.Chmod(dir, 0o755) //nolint:gosec // Postgres runs as another user and must get in
	}
	return dir, func() { _ = os.RemoveAll(dir) }, err
}

// every calls fn until it is satisfied.
func every(ctx context.Context, pause time.Duration, fn func() (bool, error)) error {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		if done, err := fn(); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
