package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/tidemark/tidemark/kit/run"
)

func main() {
	run.Main("compose", "Runs docker-compose.yml and holds it to what it promises.", &test{})
}

type test struct {
	Grpcurl string `help:"The grpcurl to call with." default:"bin/grpcurl"`
	Bin     string `help:"Where the tidemark command is." default:"bin" type:"path"`
	Keep    bool   `help:"Leave the containers running when something is wrong."`
	Scaled  bool   `help:"Only the second round, with two of each service, and with locks."`
	NoBuild bool   `help:"Take the images that there are."`
}

// healthyWithin is what `up --wait` may take once everything is built.
const healthyWithin = time.Minute

// Run runs both rounds, each on volumes of its own.
func (c *test) Run(ctx context.Context, out io.Writer) error {
	dir, err := os.MkdirTemp("", "tidemark-compose-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s := &stack{out: out, began: time.Now(), grpcurl: c.Grpcurl, bin: c.Bin, dir: dir}
	rounds := []round{{"demo", s.single}, {"demo-locked", s.scaled}}
	if c.Scaled {
		rounds = rounds[1:]
	}
	for i, r := range rounds {
		if err := s.environment(ctx, r.kind); err != nil {
			return err
		}
		if i == 0 && !c.NoBuild {
			if err := s.step("images are built", func() error { return s.whole(ctx, "build", "--quiet") }); err != nil {
				return err
			}
		}
		if err := s.round(ctx, r, c.Keep); err != nil {
			return err
		}
	}
	// Last: an image that grew says nothing about the rest.
	if err := s.step("images are small", func() error { return s.small(ctx) }); err != nil {
		return err
	}
	s.say("compose: all of it holds")
	return nil
}

// round is a stack from its first start to its end.
type round struct {
	kind string // of .env
	run  func(context.Context) error
}

func (s *stack) round(ctx context.Context, r round, keep bool) error {
	err := r.run(ctx)
	if err != nil && keep {
		return err
	}
	if err != nil {
		s.explain(ctx)
	}
	return errors.Join(err, s.down(context.WithoutCancel(ctx)))
}

// single is one of each, in the clear, killed one after the other.
func (s *stack) single(ctx context.Context) error {
	if err := s.up(ctx); err != nil {
		return err
	}
	steps := []step{
		{"the demo is filled and complete", s.complete},
		{"containers are locked", s.locked},
		{"each role sees its own", s.roles},
		{"grpcurl is answered", s.calls},
		{"tidemark status shows all channels", s.status},
		{"Prometheus sees all three, and no alert", s.observed},
	}
	for _, name := range []string{"scheduler", "parser", "watermark", "redis", "postgres"} {
		steps = append(steps, step{name + " is killed, and nothing is missing", func(ctx context.Context) error { return s.killed(ctx, name) }})
	}
	steps = append(steps, step{"a backup is restored, and what came since is read again", s.restored}, step{"all die at once, come back by themselves, and nothing is missing", s.crashed},
		step{"every call of the cookbook works", s.cookbook}, step{"no secret is in any log", s.discreet})
	return s.all(ctx, steps)
}

// scaled is two of each service, of which one dies, then the other; behind locks.
func (s *stack) scaled(ctx context.Context) error {
	if err := s.up(ctx, "--scale", "scheduler=2", "--scale", "parser=2", "--scale", "watermark=2"); err != nil {
		return err
	}
	steps := []step{
		{"locked: the authority's certificate and tokens are handed out", s.handOut},
		{"two of each: the demo is filled and complete", s.complete},
		{"containers are locked, and see no lock but their own", s.locked},
		{"grpcurl with a token is answered", s.calls},
		{"tidemark status with a token shows all channels", s.status},
		{"nothing, too little, a stranger's certificate, a revoked token: refused", s.refused},
	}
	for _, name := range []string{"scheduler", "parser", "watermark"} {
		for i := range 2 {
			steps = append(steps, step{fmt.Sprintf("%s %d of 2 is killed, the other goes on alone, and nothing is missing", name, i+1),
				func(ctx context.Context) error { return s.oneKilled(ctx, name, i) }})
		}
	}
	for _, name := range []string{"postgres", "redis"} {
		steps = append(steps, step{name + " is killed under two of each, and nothing is missing", func(ctx context.Context) error { return s.killed(ctx, name) }})
	}
	return s.all(ctx, append(steps,
		step{"locked: refused as before", s.refused},
		step{"locked: every call of the cookbook works", s.cookbook},
		step{"locked: no secret is in any log", s.discreet}))
}

type step struct {
	name string
	do   func(context.Context) error
}

func (s *stack) all(ctx context.Context, steps []step) error {
	for _, st := range steps {
		if err := s.step(st.name, func() error { return st.do(ctx) }); err != nil {
			return err
		}
	}
	return nil
}

// step does one thing and says how long it took.
func (s *stack) step(name string, do func() error) error {
	began := time.Now()
	if err := do(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	s.say("%s (%s)", name, time.Since(began).Round(100*time.Millisecond))
	return nil
}

func (s *stack) say(format string, args ...any) {
	_, _ = fmt.Fprintf(s.out, "%6.1fs  "+format+"\n", append([]any{time.Since(s.began).Seconds()}, args...)...)
}
