package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	schedulerv1 "github.com/tidemark/tidemark/gen/tidemark/scheduler/v1"
	typev1 "github.com/tidemark/tidemark/gen/tidemark/type/v1"
	"github.com/tidemark/tidemark/kit/run"
)

type channelCmd struct {
	Add    channelAdd    `cmd:"" help:"Follow channels."`
	List   channelList   `cmd:"" help:"Show the channels that are followed."`
	Pause  channelPause  `cmd:"" help:"Stop reading a channel until it is resumed."`
	Resume channelResume `cmd:"" help:"Read a paused channel again."`
	Reread channelReread `cmd:"" help:"Read messages again that were read before: for edits, deletions and counters."`
	Rm     channelRm     `cmd:"" help:"Stop following a channel; what was read stays."`
}

type channelAdd struct {
	remote
	Refs     []string      `arg:"" name:"ref" help:"@name, https://t.me/name, or an id."`
	Interval time.Duration `help:"How often to look; 0 is the server's default."`
	Age      time.Duration `help:"Read back only this far; 0 reads all there is." xor:"horizon"`
	Messages int64         `help:"Read back only this many message ids from the newest; 0 reads all there is." xor:"horizon"`
}

// Run adds each; one that cannot be added does not stop the others.
func (c *channelAdd) Run(ctx context.Context, out io.Writer) error {
	return c.with(func(conn grpc.ClientConnInterface) error {
		var failures []error
		for _, ref := range c.Refs {
			if err := c.add(ctx, schedulerv1.NewChannelServiceClient(conn), ref, out); err != nil {
				failures = append(failures, err)
			}
		}
		if len(failures) == 1 {
			return failures[0]
		}
		return lines(failures)
	})
}

func (c *channelAdd) add(ctx context.Context, client schedulerv1.ChannelServiceClient, ref string, out io.Writer) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	req := &schedulerv1.AddChannelRequest{Ref: ref}
	if c.Interval > 0 {
		req.Interval = durationpb.New(c.Interval)
	}
	switch {
	case c.Age > 0:
		req.Horizon = &schedulerv1.Horizon{Limit: &schedulerv1.Horizon_Age{Age: durationpb.New(c.Age)}}
	case c.Messages > 0:
		req.Horizon = &schedulerv1.Horizon{Limit: &schedulerv1.Horizon_Ids{Ids: c.Messages}}
	}
	resp, err := client.AddChannel(ctx, req)
	if err != nil {
		return fmt.Errorf("%s: %w", ref, err)
	}
	verb := "follows already"
	if resp.GetAdded() {
		verb = "follows now"
	}
	ch := resp.GetChannel().GetChannel()
	_, _ = fmt.Fprintf(out, "%s %d %s %s\n", verb, ch.GetId(), handle(ch.GetUsername()), ch.GetTitle())
	return nil
}

// lines are several complaints, each as a person reads it.
func lines(failures []error) error {
	if len(failures) == 0 {
		return nil
	}
	plain := make([]error, len(failures))
	for i, err := range failures {
		plain[i] = errors.New(run.Line(err))
	}
	return errors.Join(plain...)
}

func handle(username string) string {
	if username == "" {
		return "-"
	}
	return "@" + username
}

type channelList struct{ remote }

// Run lists all.
func (c *channelList) Run(ctx context.Context, out io.Writer) error {
	return c.with(func(conn grpc.ClientConnInterface) error {
		channels, err := allChannels(ctx, conn)
		if err != nil {
			return err
		}
		table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(table, "ID\tNAME\tSTATE\tEVERY\tNEXT\tTITLE")
		for _, ch := range channels {
			_, _ = fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\n", ch.GetChannel().GetId(), handle(ch.GetChannel().GetUsername()), stateOf(ch),
				ch.GetInterval().AsDuration(), until(ch.GetNextRunAt().AsTime(), ch.GetNextRunAt() == nil), ch.GetChannel().GetTitle())
		}
		return table.Flush()
	})
}

func allChannels(ctx context.Context, conn grpc.ClientConnInterface) (all []*schedulerv1.FollowedChannel, err error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	for req := (&schedulerv1.ListChannelsRequest{PageSize: 1000}); ; {
		page, err := schedulerv1.NewChannelServiceClient(conn).ListChannels(ctx, req)
		if err != nil {
			return nil, err
		}
		all = append(all, page.GetChannels()...)
		if req.PageToken = page.GetNextPageToken(); req.GetPageToken() == "" {
			return all, nil
		}
	}
}

type oneChannel struct {
	remote
	Ref string `arg:"" help:"@name, https://t.me/name, or an id, as followed."`
}

type channelPause struct {
	oneChannel
	Note string `help:"Why, for whoever looks at it later."`
}

// Run pauses.
func (c *channelPause) Run(ctx context.Context, out io.Writer) error {
	return c.one(ctx, out, "paused", func(ctx context.Context, client schedulerv1.ChannelServiceClient, id int64) error {
		_, err := client.PauseChannel(ctx, &schedulerv1.PauseChannelRequest{ChannelId: id, Note: c.Note})
		return err
	})
}

type channelResume struct{ oneChannel }

// Run resumes.
func (c *channelResume) Run(ctx context.Context, out io.Writer) error {
	return c.one(ctx, out, "resumed", func(ctx context.Context, client schedulerv1.ChannelServiceClient, id int64) error {
		_, err := client.ResumeChannel(ctx, &schedulerv1.ResumeChannelRequest{ChannelId: id})
		return err
	})
}

type channelRm struct{ oneChannel }

// Run removes.
func (c *channelRm) Run(ctx context.Context, out io.Writer) error {
	return c.one(ctx, out, "no longer followed, what was read stays:", func(ctx context.Context, client schedulerv1.ChannelServiceClient, id int64) error {
		_, err := client.RemoveChannel(ctx, &schedulerv1.RemoveChannelRequest{ChannelId: id})
		return err
	})
}

type channelReread struct {
	oneChannel
	First int64 `help:"From this message id; 0 is the first."`
	Last  int64 `help:"To this message id; 0 is the last."`
}

// Run asks for it; it goes on by itself.
func (c *channelReread) Run(ctx context.Context, out io.Writer) error {
	return c.on(ctx, func(ctx context.Context, conn grpc.ClientConnInterface, ch *typev1.Channel) error {
		req := &schedulerv1.RereadChannelRequest{ChannelId: ch.GetId()}
		if c.First != 0 || c.Last != 0 {
			req.Ids = &typev1.IdRange{First: max(c.First, 1), Last: c.Last}
			if c.Last == 0 {
				req.Ids.Last = 1<<31 - 1
			}
		}
		resp, err := schedulerv1.NewRunServiceClient(conn).RereadChannel(ctx, req)
		if err == nil {
			_, _ = fmt.Fprintf(out, "%s: messages %d to %d will be read again, behind what is new; see `tidemark status`\n", handle(ch.GetUsername()), resp.GetIds().GetFirst(), resp.GetIds().GetLast())
		}
		return err
	})
}

func (c oneChannel) one(ctx context.Context, out io.Writer, done string, fn func(context.Context, schedulerv1.ChannelServiceClient, int64) error) error {
	return c.on(ctx, func(ctx context.Context, conn grpc.ClientConnInterface, ch *typev1.Channel) error {
		if err := fn(ctx, schedulerv1.NewChannelServiceClient(conn), ch.GetId()); err != nil {
			return err
		}
		_, _ = fmt.Fprintf(out, "%s %d %s %s\n", done, ch.GetId(), handle(ch.GetUsername()), ch.GetTitle())
		return nil
	})
}

// on finds the channel that is meant, and does something with it.
func (c oneChannel) on(ctx context.Context, fn func(context.Context, grpc.ClientConnInterface, *typev1.Channel) error) error {
	return c.with(func(conn grpc.ClientConnInterface) error {
		channels, err := allChannels(ctx, conn)
		if err != nil {
			return err
		}
		ch, err := find(channels, c.Ref)
		if err != nil {
			return err
		}
		ctx, cancel := bounded(ctx)
		defer cancel()
		return fn(ctx, conn, ch)
	})
}
