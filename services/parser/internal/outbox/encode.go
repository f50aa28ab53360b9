// Package outbox publishes what was committed: events as the contract has them, in a Redis stream, in the order of commit, at least once.
package outbox

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	eventv1 "github.com/tidemark/tidemark/gen/tidemark/event/v1"
	"github.com/tidemark/tidemark/services/parser/internal/ingest"
	"github.com/tidemark/tidemark/services/parser/internal/wire"
)

// Encode is an event as tidemark.event.v1.Event; an ingest.Encoder.
func Encode(e ingest.Event) ([]byte, error) {
	out := &eventv1.Event{
		Id: e.ID(), ChannelId: int64(e.Channel), MessageId: int64(e.Message), Revision: e.Revision,
		RecordedAt: wire.Stamp(e.RecordedAt),
	}
	switch e.Kind {
	case ingest.Created:
		out.Kind = &eventv1.Event_PostCreated{PostCreated: &eventv1.PostCreated{Post: wire.Post(e.Post)}}
	case ingest.Edited:
		out.Kind = &eventv1.Event_PostEdited{PostEdited: &eventv1.PostEdited{Post: wire.Post(e.Post)}}
	case ingest.Deleted:
		out.Kind = &eventv1.Event_PostDeleted{PostDeleted: &eventv1.PostDeleted{DeletedAt: wire.Stamp(e.RecordedAt)}}
	case ingest.QuarantinedKind:
		out.Kind = &eventv1.Event_MessageQuarantined{MessageQuarantined: &eventv1.MessageQuarantined{Problem: e.Problem}}
	default:
		return nil, fmt.Errorf("no event is of kind %q", e.Kind)
	}
	b, err := proto.Marshal(out)
	if len(b) > maxEvent {
		return nil, fmt.Errorf("an event of %d bytes: at most %d go out", len(b), maxEvent)
	}
	return b, err
}

// idOf is the id in an encoded event, "" for bytes that are none.
func idOf(event []byte) string {
	for len(event) > 0 {
		number, kind, tag := protowire.ConsumeTag(event)
		if tag < 0 {
			return ""
		}
		if number == idField {
			id, _ := protowire.ConsumeString(event[tag:])
			return id
		}
		value := protowire.ConsumeFieldValue(number, kind, event[tag:])
		if value < 0 {
			return ""
		}
		event = event[tag+value:]
	}
	return ""
}

var idField = (&eventv1.Event{}).ProtoReflect().Descriptor().Fields().ByName("id").Number()

// maxEvent bounds an entry of the stream, far above what posts come to: consumers and Redis take it, and the relay holds up to a thousand of them.
const maxEvent = 1 << 20
