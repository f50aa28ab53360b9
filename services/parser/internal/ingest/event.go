package ingest

import (
	"context"
	"encoding/hex"
	"strconv"
	"time"
)

// Kind is what an event tells.
type Kind string

// The kinds, by their names in the stream.
const (
	Created Kind = "post.created"
	Edited  Kind = "post.edited"
	Deleted Kind = "post.deleted"

	QuarantinedKind Kind = "message.quarantined"
)

// Event tells one change of one post.
type Event struct {
	Channel    ChannelID
	Message    MessageID
	Revision   int32
	Kind       Kind
	RecordedAt time.Time
	Post       *Post  // as it is now; nil unless Created or Edited
	Content    Hash   // of Post
	Problem    string // of a quarantined message: what failed
}

// ID names the event: "<channel>/<message>/<revision>/<kind>", and of one that brings a post "/<digest of its content>". With the digest, what was told
// once is dropped when it is told again, and nothing else: after a restore revisions are counted on from the backup, and the same number may
// bring another text.
func (e Event) ID() string {
	b := make([]byte, 0, 64)
	b = append(strconv.AppendInt(b, int64(e.Channel), 10), '/')
	b = append(strconv.AppendInt(b, int64(e.Message), 10), '/')
	b = append(strconv.AppendInt(b, int64(e.Revision), 10), '/')
	b = append(b, e.Kind...)
	if e.Post != nil {
		b = hex.AppendEncode(append(b, '/'), e.Content[:digest])
	}
	return string(b)
}

// digest is how many bytes of a content's hash an id has.
const digest = 6

// Encoder turns an event into the bytes that are stored and sent.
type Encoder func(Event) ([]byte, error)

// Outgoing is a stored event on its way out.
type Outgoing struct {
	Channel ChannelID
	Message MessageID
	Kind    Kind
	Bytes   []byte
	Place   Place

	Traceparent string // of the trace that stored it, in W3C's form; "" if there was none
}

// Place is where an event stands in the order of commit; the zero Place is before all.
type Place struct {
	Tx uint64
	ID int64
}

// Before is true for a place that comes first.
func (p Place) Before(o Place) bool { return p.Tx < o.Tx || p.Tx == o.Tx && p.ID < o.ID }

// String is "tx:id".
func (p Place) String() string {
	return strconv.FormatUint(p.Tx, 10) + ":" + strconv.FormatInt(p.ID, 10)
}

// Outbox holds stored events that are to be published, in the order in which they were committed.
type Outbox interface {
	// Lead takes the one right to publish; false when another process has it.
	Lead(ctx context.Context) (Lead, bool, error)
}

// Lead is the right to publish. It is lost with its connection: then every call fails, and another may lead.
type Lead interface {
	// Next notes that of the events it answered so far the first sent are published, and answers at most limit more, none if there are none now.
	Next(ctx context.Context, sent int64, limit int) ([]Outgoing, error)
	// Published tells how far the stream really goes, the zero Place when there is no stream, and answers true when events that were published
	// before are to be published again: all behind that place; when the stream is gone, all that not every reader is known to have.
	Published(ctx context.Context, end Place) (again bool, err error)
	// Acknowledged notes that every reader has what is up to a place.
	Acknowledged(ctx context.Context, p Place) error
	// Close gives the lead up.
	Close()
}
