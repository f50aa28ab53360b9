// Package peers is the scheduler's side of its calls: plan.Parser and plan.Marks over gRPC.
package peers

import (
	"cmp"
	"context"
	"time"

	"google.golang.org/grpc"

	parserv1 "github.com/tidemark/tidemark/gen/tidemark/parser/v1"
	typev1 "github.com/tidemark/tidemark/gen/tidemark/type/v1"
	watermarkv1 "github.com/tidemark/tidemark/gen/tidemark/watermark/v1"
	"github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/services/scheduler/internal/plan"
)

// short bounds calls that answer from a store, long those that ask Telegram and may have to wait for it.
const (
	short = 10 * time.Second
	long  = 60 * time.Second
)

// Parser is the parser service.
type Parser struct{ client parserv1.ParserServiceClient }

// NewParser speaks to a parser.
func NewParser(conn grpc.ClientConnInterface) Parser {
	return Parser{parserv1.NewParserServiceClient(conn)}
}

// Resolve is plan.Parser's.
func (p Parser) Resolve(ctx context.Context, ref string) (plan.Channel, error) {
	ctx, cancel := context.WithTimeout(ctx, long)
	defer cancel()
	resp, err := p.client.ResolveChannel(ctx, &parserv1.ResolveChannelRequest{Ref: ref})
	c := resp.GetChannel()
	return plan.Channel{
		ID: plan.ChannelID(c.GetId()), Username: c.GetUsername(), Title: c.GetTitle(),
		Supergroup: c.GetKind() == typev1.ChannelKind_CHANNEL_KIND_SUPERGROUP, Protected: c.GetProtected(),
	}, problem("parser", err)
}

// Probe is plan.Parser's.
func (p Parser) Probe(ctx context.Context, channels []plan.ChannelID) ([]plan.Probe, error) {
	ctx, cancel := context.WithTimeout(ctx, long)
	defer cancel()
	resp, err := p.client.ProbeChannels(ctx, &parserv1.ProbeChannelsRequest{ChannelIds: ids(channels)})
	if err != nil {
		return nil, problem("parser", err)
	}
	if len(resp.GetProbes()) != len(channels) {
		return nil, &plan.Problem{Kind: plan.Failed, Reason: "BAD_ANSWER", Message: "the parser answered for other channels than were asked about"}
	}
	probes := make([]plan.Probe, len(channels))
	for i, one := range resp.GetProbes() {
		probes[i].Top, probes[i].Pts = one.GetAnswer().GetTopId(), int64(one.GetAnswer().GetPts())
		if one.GetAnswer() == nil {
			f := one.GetFailure()
			// A BLOCKED without a reason would be refused, and every other channel's heartbeat with it.
			probes[i].Err = &plan.Problem{Kind: kindOf(f.GetReason()), Reason: cmp.Or(f.GetReason(), "UNKNOWN"), Message: f.GetMessage(), Retry: f.GetRetryAfter().AsDuration()}
		}
	}
	return probes, nil
}

var modes = map[plan.Mode]typev1.ReadMode{
	plan.Historical: typev1.ReadMode_READ_MODE_HISTORICAL, plan.Incremental: typev1.ReadMode_READ_MODE_INCREMENTAL, plan.CatchUp: typev1.ReadMode_READ_MODE_CATCH_UP,
	plan.Refresh: typev1.ReadMode_READ_MODE_REFRESH,
}

// Parse is plan.Parser's.
func (p Parser) Parse(ctx context.Context, s plan.Slice) (plan.Read, error) {
	resp, err := p.client.ParseChannel(ctx, &parserv1.ParseChannelRequest{
		ChannelId: int64(s.Channel), Mode: modes[s.Mode], Ranges: fromRanges(s.Ranges), MaxPages: int32(s.MaxPages), RunToken: int64(s.Run), HorizonSince: rpc.Stamp(s.HorizonSince),
		KnownTopId: s.KnownTop,
	})
	if err != nil {
		return plan.Read{}, problem("parser", err)
	}
	read := plan.Read{
		Covered: toRanges(resp.GetCovered()), New: int(resp.GetPostsNew()), Changed: int(resp.GetPostsChanged()), Deleted: int(resp.GetPostsDeleted()), Messages: int(resp.GetMessagesRead()),
		Pages: int(resp.GetPagesRead()), HeadAt: rpc.Time(resp.GetHeadAt()), Floor: resp.GetFloorId(), Top: resp.GetTopId(),
	}
	if resp.GetNext() == parserv1.ParseNext_PARSE_NEXT_WAIT {
		read.Wait, read.WaitReason = max(resp.GetRetryAfter().AsDuration(), time.Second), resp.GetWaitReason()
	}
	return read, nil
}

// Marks is the watermark service.
type Marks struct {
	client watermarkv1.WatermarkServiceClient
}

// NewMarks speaks to a watermark.
func NewMarks(conn grpc.ClientConnInterface) Marks {
	return Marks{watermarkv1.NewWatermarkServiceClient(conn)}
}

// Get is plan.Marks's.
func (m Marks) Get(ctx context.Context, channels []plan.ChannelID) (map[plan.ChannelID]plan.Mark, error) {
	ctx, cancel := context.WithTimeout(ctx, short)
	defer cancel()
	resp, err := m.client.BatchGetWatermarks(ctx, &watermarkv1.BatchGetWatermarksRequest{ChannelIds: ids(channels), WithCoverage: true})
	if err != nil {
		return nil, problem("watermark", err)
	}
	marks := make(map[plan.ChannelID]plan.Mark, len(resp.GetWatermarks()))
	for i, w := range resp.GetWatermarks() {
		marks[plan.ChannelID(w.GetChannelId())] = plan.Mark{
			Covered: toRanges(resp.GetCoverages()[i].GetRanges()), Unavailable: toRanges(resp.GetCoverages()[i].GetUnavailable()),
			Floor: w.GetFloorId(), Top: w.GetTopId(), Generation: w.GetGeneration(), Etag: w.GetEtag(),
		}
	}
	return marks, nil
}

// Advance is plan.Marks's.
func (m Marks) Advance(ctx context.Context, a plan.Advance) error {
	ctx, cancel := context.WithTimeout(ctx, short)
	defer cancel()
	_, err := m.client.AdvanceWatermark(ctx, &watermarkv1.AdvanceWatermarkRequest{
		ChannelId: int64(a.Channel), Covered: fromRanges(a.Covered), RunToken: int64(a.Run), Generation: a.Generation, FloorId: a.Floor, TopId: a.Top, HeadAt: rpc.Stamp(a.HeadAt),
		Unavailable: fromRanges(a.Unavailable),
	})
	return problem("watermark", err)
}

// Rewind is plan.Marks's.
func (m Marks) Rewind(ctx context.Context, channel plan.ChannelID, etag, reason string) error {
	ctx, cancel := context.WithTimeout(ctx, short)
	defer cancel()
	_, err := m.client.RewindWatermark(ctx, &watermarkv1.RewindWatermarkRequest{ChannelId: int64(channel), Etag: etag, Reason: reason, All: true})
	return problem("watermark", err)
}

var states = map[plan.State]watermarkv1.WatermarkState{
	plan.Active: watermarkv1.WatermarkState_WATERMARK_STATE_ACTIVE, plan.Idle: watermarkv1.WatermarkState_WATERMARK_STATE_IDLE, plan.Blocked: watermarkv1.WatermarkState_WATERMARK_STATE_BLOCKED,
}

// Check is plan.Marks's.
func (m Marks) Check(ctx context.Context, checks []plan.Check) error {
	if len(checks) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, short)
	defer cancel()
	req := &watermarkv1.ReportChecksRequest{Checks: make([]*watermarkv1.Check, len(checks))}
	for i, c := range checks {
		req.Checks[i] = &watermarkv1.Check{ChannelId: int64(c.Channel), State: states[c.State], BlockedReason: c.Reason, TopId: c.Top, AttemptedAt: rpc.Stamp(c.At)}
	}
	_, err := m.client.ReportChecks(ctx, req)
	return problem("watermark", err)
}

func ids(channels []plan.ChannelID) []int64 {
	out := make([]int64, len(channels))
	for i, c := range channels {
		out[i] = int64(c)
	}
	return out
}

func fromRanges(in []plan.Range) []*typev1.IdRange {
	out := make([]*typev1.IdRange, len(in))
	for i, r := range in {
		out[i] = &typev1.IdRange{First: r.First, Last: r.Last}
	}
	return out
}

func toRanges(in []*typev1.IdRange) []plan.Range {
	if len(in) == 0 {
		return nil
	}
	out := make([]plan.Range, len(in))
	for i, r := range in {
		out[i] = plan.Range{First: r.GetFirst(), Last: r.GetLast()}
	}
	return out
}
