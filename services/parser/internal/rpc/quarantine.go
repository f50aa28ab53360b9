package rpc

import (
	"context"
	"fmt"
	"slices"

	parserv1 "github.com/tidemark/tidemark/gen/tidemark/parser/v1"
	kitrpc "github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/services/parser/internal/ingest"
	"github.com/tidemark/tidemark/services/parser/internal/wire"
)

// QuarantineServer is tidemark.parser.v1.QuarantineService.
type QuarantineServer struct {
	parserv1.UnimplementedQuarantineServiceServer
	quarantine ingest.Quarantine
	ingester   *ingest.Ingester
}

var _ parserv1.QuarantineServiceServer = (*QuarantineServer)(nil)

// NewQuarantineServer shows what is in quarantine, and reads it again by the ingester.
func NewQuarantineServer(q ingest.Quarantine, i *ingest.Ingester) *QuarantineServer {
	return &QuarantineServer{quarantine: q, ingester: i}
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
			ChannelId: int64(q.Channel), MessageId: int64(q.Message), Problem: q.Problem, Raw: q.Raw, Failures: int32(q.Failures),
			FirstFailedAt: wire.Stamp(q.FirstFailed), LastFailedAt: wire.Stamp(q.LastFailed),
		})
	}
	if len(found) > size {
		last := found[size-1]
		out.NextPageToken = kitrpc.PageToken(in, [2]int64{int64(last.Channel), int64(last.Message)})
	}
	return out, nil
}

var outcomes = map[ingest.Outcome]parserv1.RetryOutcome{
	ingest.Restored: parserv1.RetryOutcome_RETRY_OUTCOME_RESTORED, ingest.Gone: parserv1.RetryOutcome_RETRY_OUTCOME_GONE, ingest.StillBad: parserv1.RetryOutcome_RETRY_OUTCOME_FAILED,
}

// RetryQuarantined reads messages in quarantine again, one by one. What was tried before something went wrong is done: repeating goes on with the rest.
func (s *QuarantineServer) RetryQuarantined(ctx context.Context, in *parserv1.RetryQuarantinedRequest) (*parserv1.RetryQuarantinedResponse, error) {
	channel, err := toChannelID("channel_id", in.GetChannelId())
	if err != nil {
		return nil, err
	}
	messages, err := s.chosen(ctx, channel, in.GetMessageIds())
	if err != nil {
		return nil, err
	}
	out := &parserv1.RetryQuarantinedResponse{}
	for _, id := range messages {
		outcome, err := s.ingester.Again(ctx, channel, id)
		if err != nil {
			return nil, toStatus(err)
		}
		out.Results = append(out.Results, &parserv1.RetriedMessage{MessageId: int64(id), Outcome: outcomes[outcome]})
	}
	return out, nil
}

// chosen are the messages asked for that are in quarantine, ascending; without any, the channel's first.
func (s *QuarantineServer) chosen(ctx context.Context, channel ingest.ChannelID, asked []int64) (messages []ingest.MessageID, err error) {
	if len(asked) > maxRetries {
		return nil, kitrpc.InvalidField("message_ids", fmt.Sprintf("%d ids: at most %d", len(asked), maxRetries))
	}
	if len(asked) == 0 {
		found, err := s.quarantine.Quarantined(ctx, channel, ingest.Quarantined{}, maxRetries, false)
		for _, q := range found {
			messages = append(messages, q.Message)
		}
		return messages, toStatus(err)
	}
	slices.Sort(asked)
	for i, wire := range slices.Compact(asked) {
		id, err := toMessageID(fmt.Sprintf("message_ids[%d]", i), wire)
		if err != nil {
			return nil, err
		}
		found, err := s.quarantine.Quarantined(ctx, channel, ingest.Quarantined{Channel: channel, Message: id - 1}, 1, false)
		if err != nil {
			return nil, toStatus(err)
		}
		if len(found) == 1 && found[0].Message == id {
			messages = append(messages, id)
		}
	}
	return messages, nil
}
