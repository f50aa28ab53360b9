package telegram

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

// body takes an answer as it came. It is decoded by whoever asked, not by the connection's reading loop, which must not be held up and would
// log a complaint about what it cannot read. Decoded bytes are kept for good, so they are copied once, here.
type body []byte

// Decode implements bin.Decoder.
func (b *body) Decode(from *bin.Buffer) error {
	*b = from.Copy()
	return nil
}

// entry is one message of an answer, decoded or not.
type entry struct {
	id      ingest.MessageID
	date    int
	post    *tg.Message // nil for service and empty messages, and for what cannot be decoded
	raw     []byte
	problem string // why it cannot be decoded
}

// maxRaw bounds what is kept of a message whose end is unknown.
const maxRaw = 16 << 10

// decodeMessages reads the messages of a messages.Messages answer, newest first. TL does not say where a message ends, so a message that we cannot
// decode hides those after it: then it is the last entry, and its id is read from its head. Such an entry always lies below the one before it
// and not above newest, the highest id that the answer can hold; an answer is asked again from there. What follows the messages (topics, chats, users) is not looked at.
func decodeMessages(b []byte, newest ingest.MessageID) ([]entry, error) {
	buf := &bin.Buffer{Buf: b}
	n, err := messagesHeader(buf)
	if err != nil {
		return nil, fmt.Errorf("decode the head of a page: %w", err)
	}
	entries := make([]entry, 0, min(n, pageSize))
	for range n {
		raw := buf.Buf
		m, err := tg.DecodeMessage(buf)
		if err != nil {
			return append(entries, undecodable(raw, newest, err)), nil
		}
		length := len(raw) - len(buf.Buf)
		e := toEntry(m, raw[:length:length])
		entries = append(entries, e)
		newest = e.id - 1
	}
	return entries, nil
}

// messagesHeader skips to the first message and tells how many there are.
func messagesHeader(buf *bin.Buffer) (int, error) {
	id, err := buf.ID()
	if err != nil {
		return 0, err
	}
	var flags bin.Fields
	switch id {
	case tg.MessagesMessagesTypeID:
	case tg.MessagesChannelMessagesTypeID:
		err = skip(buf, &flags, always, always, 2) // pts, count, offset_id_offset
	case tg.MessagesMessagesSliceTypeID:
		err = skip(buf, &flags, always, 0, 2) // count, next_rate, offset_id_offset
		if err == nil && flags.Has(3) {
			var flood tg.SearchPostsFlood
			err = flood.Decode(buf)
		}
	default: // not modified, too: that is not an answer to a question without a hash, least of all an empty page
		return 0, bin.NewUnexpectedID(id)
	}
	if err != nil {
		return 0, err
	}
	return buf.VectorHeader()
}

const always = -1

// skip reads the flags and then one int per bit that is set.
func skip(buf *bin.Buffer, flags *bin.Fields, bits ...int) error {
	if err := flags.Decode(buf); err != nil {
		return err
	}
	for _, bit := range bits {
		if bit == always || flags.Has(bit) {
			if _, err := buf.Int(); err != nil {
				return err
			}
		}
	}
	return nil
}

func toEntry(message tg.MessageClass, raw []byte) entry {
	e := entry{id: ingest.MessageID(message.GetID()), raw: raw}
	switch m := message.(type) {
	case *tg.Message:
		e.date, e.post = m.Date, m
	case *tg.MessageService:
		e.date = m.Date
	}
	return e
}

// undecodable keeps what is known of a message that cannot be decoded. Every constructor of a message so far starts with flags and the id, the
// newer ones with a second word of flags between them.
func undecodable(raw []byte, newest ingest.MessageID, err error) entry {
	plausible := func(word int) (ingest.MessageID, bool) {
		if len(raw) < 4*word+4 {
			return 0, false
		}
		v := binary.LittleEndian.Uint32(raw[4*word:])
		return ingest.MessageID(v), v > 0 && v <= math.MaxInt32 && ingest.MessageID(v) <= newest
	}
	e := entry{id: newest, raw: raw[:min(len(raw), maxRaw):min(len(raw), maxRaw)], problem: "undecodable: " + err.Error()}
	words := []int{3, 2}
	if len(raw) >= 4 && binary.LittleEndian.Uint32(raw) == tg.MessageServiceTypeID {
		words = []int{2}
	}
	for _, word := range words {
		if id, ok := plausible(word); ok {
			e.id = id
			return e
		}
	}
	return e // the highest id that it can have: its own is not above, and a page that ends here is asked on below it
}
