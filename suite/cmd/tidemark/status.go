package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	parserv1 "github.com/tidemark/tidemark/gen/tidemark/parser/v1"
	schedulerv1 "github.com/tidemark/tidemark/gen/tidemark/scheduler/v1"
	watermarkv1 "github.com/tidemark/tidemark/gen/tidemark/watermark/v1"
)

type statusCmd struct {
	remote
	Output string `short:"o" help:"table or json." default:"table" enum:"table,json"`
}

// overview is all that status shows.
type overview struct {
	scheduler *schedulerv1.GetStatusResponse
	accounts  []*parserv1.Account
	channels  []*schedulerv1.FollowedChannel
	marks     map[int64]*watermarkv1.Watermark
}

// Run shows how everything is.
func (c *statusCmd) Run(ctx context.Context, out io.Writer) error {
	return c.with(func(conn grpc.ClientConnInterface) error {
		o, err := look(ctx, conn)
		if err != nil {
			return err
		}
		if c.Output == "json" {
			return o.json(out)
		}
		return o.table(out)
	})
}

func look(ctx context.Context, conn grpc.ClientConnInterface) (o overview, err error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	if o.scheduler, err = schedulerv1.NewSchedulerServiceClient(conn).GetStatus(ctx, &schedulerv1.GetStatusRequest{}); err != nil {
		return o, err
	}
	accounts, err := parserv1.NewAccountServiceClient(conn).ListAccounts(ctx, &parserv1.ListAccountsRequest{PageSize: 1000})
	if err != nil {
		return o, err
	}
	o.accounts = accounts.GetAccounts()
	if o.channels, err = allChannels(ctx, conn); err != nil {
		return o, err
	}
	o.marks, err = marksOf(ctx, conn, o.channels)
	return o, err
}

func marksOf(ctx context.Context, conn grpc.ClientConnInterface, channels []*schedulerv1.FollowedChannel) (map[int64]*watermarkv1.Watermark, error) {
	marks := map[int64]*watermarkv1.Watermark{}
	for len(channels) > 0 {
		n := min(1000, len(channels))
		req := &watermarkv1.BatchGetWatermarksRequest{}
		for _, ch := range channels[:n] {
			req.ChannelIds = append(req.ChannelIds, ch.GetChannel().GetId())
		}
		resp, err := watermarkv1.NewWatermarkServiceClient(conn).BatchGetWatermarks(ctx, req)
		if err != nil {
			return nil, err
		}
		for _, w := range resp.GetWatermarks() {
			marks[w.GetChannelId()] = w
		}
		channels = channels[n:]
	}
	return marks, nil
}

func (o overview) table(out io.Writer) error {
	s := o.scheduler
	_, _ = fmt.Fprintf(out, "last tick %s, %d due, %d queued, %d in flight, last progress %s\n", ago(s.GetLastTickAt().AsTime(), s.GetLastTickAt() == nil),
		s.GetDue(), s.GetQueued(), s.GetInFlight(), ago(s.GetLastProgressAt().AsTime(), s.GetLastProgressAt() == nil))
	for _, a := range o.accounts {
		_, _ = fmt.Fprintf(out, "account %d %s %s\n", a.GetId(), handle(a.GetUsername()), strings.TrimPrefix(a.GetState().String(), "ACCOUNT_STATE_"))
	}
	if len(o.accounts) == 0 {
		_, _ = fmt.Fprintln(out, "no account: log one in with `tidemark login --phone +NUMBER`")
	}
	if len(o.channels) == 0 {
		_, _ = fmt.Fprintln(out, "no channels: follow one with `tidemark channel add @NAME`")
		return nil
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "ID\tNAME\tSTATE\tHEAD\tTOP\tMISSING\tNEWEST\tCHECKED")
	for _, ch := range o.channels {
		w := o.marks[ch.GetChannel().GetId()]
		_, _ = fmt.Fprintf(table, "%d\t%s\t%s\t%d\t%d\t%d\t%s\t%s\n", ch.GetChannel().GetId(), handle(ch.GetChannel().GetUsername()), stateOf(ch),
			w.GetHeadId(), w.GetTopId(), w.GetMissingCount(), ago(w.GetHeadAt().AsTime(), w.GetHeadAt() == nil), ago(w.GetCheckedAt().AsTime(), w.GetCheckedAt() == nil))
	}
	return table.Flush()
}

// json is {"scheduler": ..., "accounts": [...], "channels": [{..., "watermark": ...}]}, each part in the contract's own JSON form.
func (o overview) json(out io.Writer) error {
	whole := struct {
		Scheduler json.RawMessage   `json:"scheduler"`
		Accounts  []json.RawMessage `json:"accounts"`
		Channels  []json.RawMessage `json:"channels"`
	}{Scheduler: raw(o.scheduler), Accounts: []json.RawMessage{}, Channels: []json.RawMessage{}}
	for _, a := range o.accounts {
		whole.Accounts = append(whole.Accounts, raw(a))
	}
	for _, ch := range o.channels {
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(raw(ch), &fields); err != nil {
			return err
		}
		if w := o.marks[ch.GetChannel().GetId()]; w != nil {
			fields["watermark"] = raw(w)
		}
		one, err := json.Marshal(fields)
		if err != nil {
			return err
		}
		whole.Channels = append(whole.Channels, one)
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(whole)
}

func raw(m proto.Message) json.RawMessage {
	bytes, err := protojson.MarshalOptions{EmitUnpopulated: false}.Marshal(m)
	if err != nil {
		panic(fmt.Errorf("encode %T: %w", m, err)) // messages that came from a wire can be encoded
	}
	return bytes
}
