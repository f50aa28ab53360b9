// Command chaos proves that no message is lost, by breaking everything around and inside Tidemark while channels post, edit and delete.
//
// The real binaries run as processes, all-in-one or as three services, against a simulated Telegram that is never killed: it is the truth. All TCP
// between them and Telegram, Postgres and Redis goes through proxies of this program, which cut, freeze and slow it, and which see statements pass,
// so that a process can be killed exactly inside a step. What breaks, and when, comes from the seed. Meanwhile an auditor checks every second that
// no mark is ahead of the data; at the end all posts and events are compared with the truth, one by one.
package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/tidemark/tidemark/kit/run"
)

func main() {
	run.Main("tidemark-chaos", "Breaks everything around Tidemark on a seeded schedule, and compares what is left with the truth.", &options{})
}

type options struct {
	Seed     uint64 `help:"What breaks, and when." default:"1"`
	Seeds    string `help:"Several seeds in a row, as 1-20, with a summary." placeholder:"FIRST-LAST"`
	Shape    string `help:"up: all-in-one; services: three processes; auto: even seeds are all-in-one." enum:"auto,up,services" default:"auto"`
	Short    bool   `help:"A small world and few faults, for CI: at most 90 s."`
	Faults   int    `help:"How many faults; 0 is 36, or 9 with --short." default:"0"`
	Messages int    `help:"Message ids in the world at the start; 0 is 100,000, or 8,000 with --short." default:"0"`
	Only     string `help:"Only faults whose names contain this." placeholder:"PART"`
	Bin      string `help:"Where the commands are." default:"bin" type:"path"`
	Keep     string `help:"Keep logs and stores here, for reading." type:"path" placeholder:"DIR"`
	Verbose  bool   `short:"v" help:"Tell every fault as it happens."`
}

const (
	fullFaults, shortFaults     = 36, 9
	fullMessages, shortMessages = 100_000, 8_000
)

// Run plays one seed, or several.
func (o *options) Run(ctx context.Context, out io.Writer) error {
	if o.Faults == 0 {
		if o.Faults = fullFaults; o.Short {
			o.Faults = shortFaults
		}
	}
	if o.Messages == 0 {
		if o.Messages = fullMessages; o.Short {
			o.Messages = shortMessages
		}
	}
	first, last := o.Seed, o.Seed
	if o.Seeds != "" {
		if _, err := fmt.Sscanf(o.Seeds, "%d-%d", &first, &last); err != nil || last < first {
			return run.Usage(fmt.Errorf("--seeds: want FIRST-LAST, not %q", o.Seeds))
		}
	}
	var all []*report
	red := 0
	for seed := first; seed <= last; seed++ {
		r, err := play(ctx, o.of(seed), out)
		if err != nil {
			return fmt.Errorf("seed %d: %w", seed, err)
		}
		r.print(out)
		if all = append(all, r); !r.green() {
			red++
		}
	}
	if len(all) > 1 {
		summary(out, all)
	}
	if red > 0 {
		return fmt.Errorf("%d of %d seeds found a violation", red, len(all))
	}
	return nil
}

// script is all that one seed decides, before anything happens.
type script struct {
	*options
	seed     uint64
	services bool
	sizes    []int
	faults   []fault
}

func (o *options) of(seed uint64) script {
	services := o.Shape == "services" || o.Shape == "auto" && seed%2 == 1
	return script{options: o, seed: seed, services: services, sizes: sizes(seed, o.Messages), faults: schedule(seed, o.Faults, o.Short, o.Only)}
}

func (s script) shape() string {
	if s.services {
		return "services"
	}
	return "up"
}

// every calls fn until it is satisfied or ctx ends.
func every(ctx context.Context, pause time.Duration, fn func() bool) error {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for !fn() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
	return nil
}

// wait is false when ctx ended first.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
