package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"google.golang.org/grpc"

	parserv1 "github.com/tidemark/tidemark/gen/tidemark/parser/v1"
	typev1 "github.com/tidemark/tidemark/gen/tidemark/type/v1"
)

type quarantineCmd struct {
	List  quarantineList  `cmd:"" help:"Show messages that could not be read or stored, twice."`
	Retry quarantineRetry `cmd:"" help:"Ask Telegram for a channel's messages in quarantine again, at most 100 at once."`
}

type quarantineList struct{ remote }

// Run lists all.
func (c *quarantineList) Run(ctx context.Context, out io.Writer) error {
	return c.with(func(conn grpc.ClientConnInterface) error {
		ctx, cancel := bounded(ctx)
		defer cancel()
		table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(table, "CHANNEL\tMESSAGE\tFAILED\tLAST\tPROBLEM")
		for req := (&parserv1.ListQuarantinedRequest{PageSize: 1000}); ; {
			page, err := parserv1.NewQuarantineServiceClient(conn).ListQuarantined(ctx, req)
			if err != nil {
				return err
			}
			for _, m := range page.GetMessages() {
				_, _ = fmt.Fprintf(table, "%d\t%d\t%d times\t%s\t%s\n", m.GetChannelId(), m.GetMessageId(), m.GetFailures(), ago(m.GetLastFailedAt().AsTime(), false), m.GetProblem())
			}
			if req.PageToken = page.GetNextPageToken(); req.GetPageToken() == "" {
				return table.Flush()
			}
		}
	})
}

type quarantineRetry struct{ oneChannel }

// Run tries and tells what became of each.
func (c *quarantineRetry) Run(ctx context.Context, out io.Writer) error {
	return c.on(ctx, func(ctx context.Context, conn grpc.ClientConnInterface, ch *typev1.Channel) error {
		resp, err := parserv1.NewQuarantineServiceClient(conn).RetryQuarantined(ctx, &parserv1.RetryQuarantinedRequest{ChannelId: ch.GetId()})
		if err != nil {
			return err
		}
		for _, r := range resp.GetResults() {
			_, _ = fmt.Fprintf(out, "%d %s\n", r.GetMessageId(), strings.ToLower(strings.TrimPrefix(r.GetOutcome().String(), "RETRY_OUTCOME_")))
		}
		_, _ = fmt.Fprintf(out, "%s: %d tried\n", handle(ch.GetUsername()), len(resp.GetResults()))
		return nil
	})
}
