package rpc

import (
	"fmt"

	"google.golang.org/protobuf/types/known/durationpb"

	parserv1 "github.com/tidemark/tidemark/gen/tidemark/parser/v1"
	typev1 "github.com/tidemark/tidemark/gen/tidemark/type/v1"
	kitrpc "github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/services/parser/internal/ingest"
	"github.com/tidemark/tidemark/services/parser/internal/wire"
)

const (
	maxChannels  = 1000
	maxMessages  = 1000
	maxRanges    = 100
	maxPages     = 1000
	defaultPages = 50
)

// toChannelID takes both forms of an id: bare, and marked with -100.
func toChannelID(field string, id int64) (ingest.ChannelID, error) {
	bare, ok := ingest.Bare(id)
	if !ok {
		return 0, kitrpc.InvalidField(field, fmt.Sprintf("%d is no channel id: give 123 or -1000000000123", id))
	}
	return bare, nil
}

func toChannelIDs(given []int64) ([]ingest.ChannelID, error) {
	if len(given) > maxChannels {
		return nil, kitrpc.InvalidField("channel_ids", fmt.Sprintf("%d ids: at most %d", len(given), maxChannels))
	}
	channels := make([]ingest.ChannelID, len(given))
	for i, id := range given {
		var err error
		if channels[i], err = toChannelID(fmt.Sprintf("channel_ids[%d]", i), id); err != nil {
			return nil, err
		}
	}
	return channels, nil
}

func toMessageID(field string, id int64) (ingest.MessageID, error) {
	if m := ingest.MessageID(id); m >= 1 && m <= ingest.LastID {
		return m, nil
	}
	return 0, kitrpc.InvalidField(field, fmt.Sprintf("%d is no message id: they are from 1 to %d", id, ingest.LastID))
}

func toRequest(in *parserv1.ParseChannelRequest) (r ingest.Request, err error) {
	if r.Channel, err = toChannelID("channel_id", in.GetChannelId()); err != nil {
		return r, err
	}
	switch in.GetMode() {
	case typev1.ReadMode_READ_MODE_HISTORICAL:
		r.Dir = ingest.Down
	case typev1.ReadMode_READ_MODE_INCREMENTAL, typev1.ReadMode_READ_MODE_CATCH_UP, typev1.ReadMode_READ_MODE_REFRESH:
		r.Dir = ingest.Up
	default:
		return r, kitrpc.InvalidField("mode", "must be HISTORICAL, INCREMENTAL, CATCH_UP or REFRESH")
	}
	if in.GetHorizonSince() != nil && r.Dir != ingest.Down {
		return r, kitrpc.InvalidField("horizon_since", "is for mode HISTORICAL only")
	}
	if r.Ranges, err = toRanges(in.GetRanges()); err != nil {
		return r, err
	}
	if r.MaxPages = int(in.GetMaxPages()); r.MaxPages < 0 || r.MaxPages > maxPages {
		return r, kitrpc.InvalidField("max_pages", fmt.Sprintf("%d is out of range: 1 to %d, or 0 for %d", r.MaxPages, maxPages, defaultPages))
	}
	if r.MaxPages == 0 {
		r.MaxPages = defaultPages
	}
	if top := in.GetKnownTopId(); top < 0 || top > int64(ingest.LastID) {
		return r, kitrpc.InvalidField("known_top_id", fmt.Sprintf("%d is out of range: 0 to %d", top, ingest.LastID))
	}
	r.HorizonSince, r.RunToken, r.KnownTop = kitrpc.Time(in.GetHorizonSince()), in.GetRunToken(), ingest.MessageID(in.GetKnownTopId())
	r.Again = in.GetMode() == typev1.ReadMode_READ_MODE_REFRESH
	return r, nil
}

func toRanges(given []*typev1.IdRange) ([]ingest.Range, error) {
	if len(given) > maxRanges {
		return nil, kitrpc.InvalidField("ranges", fmt.Sprintf("%d ranges: at most %d", len(given), maxRanges))
	}
	ranges := make([]ingest.Range, len(given))
	for i, g := range given {
		ranges[i] = ingest.Range{First: ingest.MessageID(g.GetFirst()), Last: ingest.MessageID(g.GetLast())}
		if !ranges[i].Valid() {
			return nil, kitrpc.InvalidField(fmt.Sprintf("ranges[%d]", i), fmt.Sprintf("%d to %d is no run of message ids", g.GetFirst(), g.GetLast()))
		}
	}
	return ranges, nil
}

var nexts = map[ingest.Next]parserv1.ParseNext{
	ingest.Done: parserv1.ParseNext_PARSE_NEXT_DONE, ingest.More: parserv1.ParseNext_PARSE_NEXT_MORE, ingest.Wait: parserv1.ParseNext_PARSE_NEXT_WAIT,
}

func fromResult(r ingest.Result) *parserv1.ParseChannelResponse {
	out := &parserv1.ParseChannelResponse{
		Next: nexts[r.Next], WaitReason: r.WaitReason, PostsNew: int32(r.New), PostsChanged: int32(r.Changed), PostsDeleted: int32(r.Deleted), MessagesQuarantined: int32(r.Quarantined),
		MessagesRead: int32(r.Messages), PagesRead: int32(r.Pages), HeadAt: wire.Stamp(r.HeadAt), FloorId: int64(r.Floor), TopId: int64(r.Top),
	}
	if r.Next == ingest.Wait {
		out.RetryAfter = durationpb.New(r.RetryAfter)
	}
	for _, c := range r.Covered {
		out.Covered = append(out.Covered, &typev1.IdRange{First: int64(c.First), Last: int64(c.Last)})
	}
	return out
}

func fromChannel(c ingest.Channel) *typev1.Channel {
	kind := typev1.ChannelKind_CHANNEL_KIND_BROADCAST
	if c.Supergroup {
		kind = typev1.ChannelKind_CHANNEL_KIND_SUPERGROUP
	}
	return &typev1.Channel{Id: int64(c.ID), Username: c.Username, Title: c.Title, Kind: kind, Protected: c.Protected}
}

func fromProbe(p ingest.Probe) *parserv1.Probe {
	out := &parserv1.Probe{ChannelId: int64(p.Channel)}
	if p.Err == nil {
		out.Outcome = &parserv1.Probe_Answer{Answer: &parserv1.ProbeAnswer{TopId: int64(p.Top), Pts: int32(p.Pts)}}
		return out
	}
	failure := &parserv1.ProbeFailure{Reason: "INTERNAL", Message: "internal error; see the service's log"}
	if r, ok := refused(p.Err); ok {
		failure.Reason, failure.Message = r.reason, r.message
	}
	if wait := waitOf(p.Err); wait > 0 {
		failure.RetryAfter = durationpb.New(wait)
	}
	out.Outcome = &parserv1.Probe_Failure{Failure: failure}
	return out
}

func toQuery(in *parserv1.ListPostsRequest) (q ingest.Query, err error) {
	if q.Channel, err = toChannelID("channel_id", in.GetChannelId()); err != nil {
		return q, err
	}
	for field, id := range map[string]int64{"first_id": in.GetFirstId(), "last_id": in.GetLastId()} {
		if id < 0 || id > int64(ingest.LastID) {
			return q, kitrpc.InvalidField(field, fmt.Sprintf("%d is no message id: they are from 1 to %d", id, ingest.LastID))
		}
	}
	if q.Limit, err = kitrpc.PageSize(in.GetPageSize()); err != nil {
		return q, err
	}
	if err := kitrpc.ReadPageToken(in, &q.After); err != nil {
		return q, err
	}
	q.Within = ingest.Range{First: ingest.MessageID(in.GetFirstId()), Last: ingest.MessageID(in.GetLastId())}
	q.Since, q.Until = kitrpc.Time(in.GetPostedSince()), kitrpc.Time(in.GetPostedUntil())
	q.Descending, q.HideDeleted = in.GetDescending(), in.GetHideDeleted()
	return q, nil
}
