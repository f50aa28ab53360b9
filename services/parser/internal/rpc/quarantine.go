package rpc

import (
	"context"
	"fmt"
	"slices"

	parserv1 "github.com/tidemark/tidemark/gen/tidemark/parser/v1"
	typev1 "github.com/tidemark/tidemark/gen/tidemark/type/v1"
	kitrpc "github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/services/parser/internal/ingest"
	"github.com/tidemark/tidemark/services/parser/internal/wire"
)

// QuarantineServer is tidemark.parser.v1.QuarantineService.
type QuarantineServer struct {
	parserv1.UnimplementedQuarantineServiceServer
	quarantine ingest.Quarantine
	posts      ingest.Reader
	reads      parserv1.ParserServiceServer
}

var _ parserv1.QuarantineServiceServer = (*QuarantineServer)(nil)

// NewQuarantineServer shows what is in quarantine, and has it read again by reads, which knows who holds the account that can.
func NewQuarantineServer(q ingest.Quarantine, posts ingest.Reader, reads parserv1.ParserServiceServer) *QuarantineServer {
	return &QuarantineServer{quarantine: q, posts: posts, reads: reads}
}

const (
	// maxRawPage bounds pages that carry raw bytes.
	maxRawPage = 10
	// maxRetries bounds messages tried again in one call: each is a question to Telegram.
	maxRetries = 100
)

// ListQuarantined is a page of what is in quarantine.
func (s *QuarantineServer) ListQuarantined(ctx context.Context, in *parserv1.ListQuarantinedRequest) (*parserv1.ListQuarantinedResponse, error) {
	size, err := kitrpc.PageSize(in.GetPageSize())
	if err != nil {
		return nil, err
	}
	if in.GetWithRaw() {
		size = min(size, maxRawPage)
	}
	var channel ingest.ChannelID
	if in.GetChannelId() != 0 {
		if channel, err = toChannelID("channel_id", in.GetChannelId()); err != nil {
			return nil, err
		}
	}
	var place [2]int64
	if err := kitrpc.ReadPageToken(in, &place); err != nil {
		return nil, err
	}
	after := ingest.Quarantined{Channel: ingest.ChannelID(place[0]), Message: ingest.MessageID(place[1])}
	found, err := s.quarantine.Quarantined(ctx, channel, after, size+1, in.GetWithRaw())
	if err != nil {
		return nil, toStatus(err)
	}
	out := &parserv1.ListQuarantinedResponse{}
	for _, q := range found[:min(size, len(found))] {
		out.Messages = append(out.Messages, &parserv1.QuarantinedMessage{
			ChannelId: int64(q.Channel), MessageId: int64(q.Message), LastMessageId: int64(q.Last), Problem: q.Problem, Raw: q.Raw, Failures: int32(q.Failures),
			FirstFailedAt: wire.Stamp(q.FirstFailed), LastFailedAt: wire.Stamp(q.LastFailed),
		})
	}
	if len(found) > size {
		last := found[size-1]
		out.NextPageToken = kitrpc.PageToken(in, [2]int64{int64(last.Channel), int64(last.Message)})
	}
	return out, nil
}

// RetryQuarantined reads messages in quarantine again, one by one. What was tried before something went wrong is done: repeating goes on with the rest.
func (s *QuarantineServer) RetryQuarantined(ctx context.Context, in *parserv1.RetryQuarantinedRequest) (*parserv1.RetryQuarantinedResponse, error) {
	channel, err := toChannelID("channel_id", in.GetChannelId())
	if err != nil {
		return nil, err
	}
	chosen, err := s.chosen(ctx, channel, in.GetMessageIds())
	if err != nil {
		return nil, err
	}
	out := &parserv1.RetryQuarantinedResponse{}
	for _, q := range chosen {
		if err := s.again(ctx, q); err != nil {
			return nil, err
		}
		outcome, err := s.outcome(ctx, q)
		if err != nil {
			return nil, toStatus(err)
		}
		out.Results = append(out.Results, &parserv1.RetriedMessage{MessageId: int64(q.Message), Outcome: outcome})
	}
	return out, nil
}

// again reads all ids that a message can have. What was read is stored, and takes out of quarantine what can be read, or is gone.
func (s *QuarantineServer) again(ctx context.Context, q ingest.Quarantined) error {
	read, err := s.reads.ParseChannel(ctx, &parserv1.ParseChannelRequest{
		ChannelId: int64(q.Channel), Mode: typev1.ReadMode_READ_MODE_CATCH_UP, Ranges: []*typev1.IdRange{{First: int64(q.Message), Last: int64(q.Last)}},
		KnownTopId: int64(q.Message),
	})
	switch {
	case err != nil:
		return err
	case len(read.GetCovered()) > 0:
		return nil
	case read.GetNext() == parserv1.ParseNext_PARSE_NEXT_WAIT:
		return toStatus(&ingest.FloodError{Method: "messages.getHistory", Wait: read.GetRetryAfter().AsDuration()})
	}
	return toStatus(ingest.ErrUnproved)
}

// outcome is what has become of a message that was read again.
func (s *QuarantineServer) outcome(ctx context.Context, q ingest.Quarantined) (parserv1.RetryOutcome, error) {
	still, err := s.find(ctx, q.Channel, q.Message)
	if err != nil {
		return 0, err
	}
	if len(still) > 0 {
		return parserv1.RetryOutcome_RETRY_OUTCOME_FAILED, nil
	}
	posts, err := s.posts.List(ctx, ingest.Query{Channel: q.Channel, Within: ingest.Range{First: q.Message, Last: q.Last}, HideDeleted: true, Limit: 1})
	if len(posts) > 0 {
		return parserv1.RetryOutcome_RETRY_OUTCOME_RESTORED, err
	}
	return parserv1.RetryOutcome_RETRY_OUTCOME_GONE, err
}

// find is one message, if it is in quarantine.
func (s *QuarantineServer) find(ctx context.Context, channel ingest.ChannelID, id ingest.MessageID) ([]ingest.Quarantined, error) {
	found, err := s.quarantine.Quarantined(ctx, channel, ingest.Quarantined{Channel: channel, Message: id - 1}, 1, false)
	return slices.DeleteFunc(found, func(q ingest.Quarantined) bool { return q.Message != id }), err
}

// chosen are the messages asked for that are in quarantine, ascending; without any, the channel's first.
func (s *QuarantineServer) chosen(ctx context.Context, channel ingest.ChannelID, asked []int64) (chosen []ingest.Quarantined, err error) {
	if len(asked) > maxRetries {
		return nil, kitrpc.InvalidField("message_ids", fmt.Sprintf("%d ids: at most %d", len(asked), maxRetries))
	}
	if len(asked) == 0 {
		chosen, err = s.quarantine.Quarantined(ctx, channel, ingest.Quarantined{}, maxRetries, false)
		return chosen, toStatus(err)
	}
	ids := make([]ingest.MessageID, len(asked))
	for i, given := range asked {
		if ids[i], err = toMessageID(fmt.Sprintf("message_ids[%d]", i), given); err != nil {
			return nil, err
		}
	}
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		found, err := s.find(ctx, channel, id)
		if err != nil {
			return nil, toStatus(err)
		}
		chosen = append(chosen, found...)
	}
	return chosen, nil
}
