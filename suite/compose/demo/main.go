// Command demo is the user of the compose file's profile demo: it logs the simulated account in, follows the simulator's channels, waits until
// their history is in, and later posts now and then. It talks to the services and to the simulator as anybody would.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"

	schedulerv1 "github.com/tidemark/tidemark/gen/tidemark/scheduler/v1"
	watermarkv1 "github.com/tidemark/tidemark/gen/tidemark/watermark/v1"
	"github.com/tidemark/tidemark/kit/run"
)

func main() {
	run.Main("demo", "What a user would do, on the simulated Telegram.", &struct {
		Setup setup `cmd:"" help:"Log in, follow all channels, and end when their history is in."`
		Live  live  `cmd:"" help:"Post into three channels now and then."`
	}{})
}

type setup struct {
	telegram
	doors
	SchedulerAddr string        `help:"gRPC address of the scheduler." default:"127.0.0.1:8010"`
	ParserAddr    string        `help:"gRPC address of the parser." default:"127.0.0.1:8020"`
	WatermarkAddr string        `help:"gRPC address of the watermark." default:"127.0.0.1:8030"`
	Within        time.Duration `help:"Give up after this long." default:"5m"`
}

// Run does each step until it succeeds: the services may still be starting.
func (c *setup) Run(ctx context.Context, out io.Writer) error {
	if err := c.simulated(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.Within)
	defer cancel()
	channels, err := c.channels(ctx)
	if err != nil {
		return err
	}
	for _, step := range []struct {
		name, addr string
		do         func(context.Context, *grpc.ClientConn) error
	}{
		{"log in", c.ParserAddr, c.login},
		{"follow the channels", c.SchedulerAddr, func(ctx context.Context, conn *grpc.ClientConn) error { return follow(ctx, conn, channels) }},
		{"read the history", c.WatermarkAddr, func(ctx context.Context, conn *grpc.ClientConn) error { return covered(ctx, conn, channels) }},
	} {
		if err := c.persist(ctx, step.addr, step.do); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		_, _ = fmt.Fprintf(out, "%s: done\n", step.name)
	}
	return nil
}

// persist tries again every half second, and says at the end what was wrong.
func (d doors) persist(ctx context.Context, addr string, do func(context.Context, *grpc.ClientConn) error) error {
	conn, err := d.dial(addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	for {
		err := do(ctx, conn)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.New("gave up: " + run.Line(err))
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func follow(ctx context.Context, conn *grpc.ClientConn, channels []channel) error {
	for _, c := range channels {
		if _, err := schedulerv1.NewChannelServiceClient(conn).AddChannel(ctx, &schedulerv1.AddChannelRequest{Ref: "@" + c.Username}); err != nil {
			return fmt.Errorf("@%s: %w", c.Username, err)
		}
	}
	return nil
}

// covered is nil when no id of any channel is missing.
func covered(ctx context.Context, conn *grpc.ClientConn, channels []channel) error {
	for _, c := range channels {
		got, err := watermarkv1.NewWatermarkServiceClient(conn).GetCoverage(ctx, &watermarkv1.GetCoverageRequest{ChannelId: c.ID})
		if err != nil {
			return err
		}
		if got.GetCoveredCount() < c.Last || len(got.GetHoles()) > 0 {
			return fmt.Errorf("@%s: %d of %d ids are covered", c.Username, got.GetCoveredCount(), c.Last)
		}
	}
	return nil
}
