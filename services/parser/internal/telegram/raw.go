package telegram

import (
	"encoding/binary"
	"fmt"

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
	id      ingest.MessageID // 0 when it cannot be told, or later the lowest that it can be
	last    ingest.MessageID // then the highest; otherwise 0
	date    int
	post    *ingest.Post // nil for service and empty messages, and for what cannot be decoded
	raw     []byte
	problem string // why it cannot be decoded
}

// maxRaw bounds what is kept of a message whose end is unknown.
const maxRaw = 16 << 10

// decodeMessages reads the messages of a messages.Messages answer, newest first. TL does not say where a message ends, so a message that we cannot
// decode hides those after it: then it is the last entry, and what lies below it is to be asked for again. Its id, 0 when it cannot be
// told, is read from its head and never above newest, the highest that the answer can hold. What follows the messages (topics, chats,
// users) is not looked at.
func decodeMessages(channel ingest.ChannelID, b []byte, newest ingest.MessageID) ([]entry, error) {
	buf := &bin.Buffer{Buf: b}
	n, err := messagesHeader(buf)
	if err != nil {
		return nil, fmt.Errorf("decode the head of a page: %w", err)
	}
	d := decoder{buf: buf, size: len(b), nested: nested(b), channel: channel, posts: make([]ingest.Post, 0, min(n, pageSize))}
	entries := make([]entry, 0, min(n, pageSize))
	for range n {
		raw := buf.Buf
		e, err := d.next()
		if err != nil {
			return append(entries, undecodable(raw, newest, err)), nil
		}
		entries = append(entries, e)
		newest = e.id - 1
	}
	return entries, nil
}

// decoder turns messages into posts one by one. It decodes each into the same place: a tg.Message is more than a kilobyte, most of it empty.
type decoder struct {
	buf     *bin.Buffer
	size    int   // of the answer
	nested  []int // places in it, of nested()
	channel ingest.ChannelID
	posts   []ingest.Post // entries point into it
	message tg.Message
	service tg.MessageService
	empty   tg.MessageEmpty
}

// next takes one message off the answer. A message that panics a decoder is one that cannot be decoded: it must not end the process, again and again.
func (d *decoder) next() (e entry, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("decoding panics: %v", p)
		}
	}()
	whole := d.buf.Buf
	at := d.size - len(whole)
	raw := whole[:bound(d.nested, at, d.size)-at]
	d.buf.Buf = raw
	e, err = d.within(raw)
	d.buf.Buf = whole[len(raw)-len(d.buf.Buf):]
	return e, err
}

func (d *decoder) within(raw []byte) (entry, error) {
	constructor, err := d.buf.PeekID()
	if err != nil {
		return entry{}, err
	}
	var e entry
	switch constructor {
	case tg.MessageTypeID:
		d.message = tg.Message{}
		err = d.message.Decode(d.buf)
		e.id, e.date = ingest.MessageID(d.message.ID), d.message.Date
	case tg.MessageServiceTypeID:
		d.service = tg.MessageService{}
		err = d.service.Decode(d.buf)
		e.id, e.date = ingest.MessageID(d.service.ID), d.service.Date
	case tg.MessageEmptyTypeID:
		d.empty = tg.MessageEmpty{}
		err = d.empty.Decode(d.buf)
		e.id = ingest.MessageID(d.empty.ID)
	default:
		err = bin.NewUnexpectedID(constructor)
	}
	if err != nil {
		return entry{}, err
	}
	length := len(raw) - len(d.buf.Buf)
	e.raw = raw[:length:length]
	if constructor == tg.MessageTypeID {
		d.posts = append(d.posts, toPost(d.channel, &d.message, e.raw))
		e.post = &d.posts[len(d.posts)-1]
	}
	return e, nil
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

// undecodable keeps what is known of a message that cannot be decoded. Every constructor of a message so far starts with flags, in newer ones
// two words of them, and the id; the author or the channel comes next, which tells the one from the other and ids from accidents.
func undecodable(raw []byte, newest ingest.MessageID, err error) entry {
	kept := min(len(raw), maxRaw)
	e := entry{raw: raw[:kept:kept], problem: "undecodable: " + err.Error()}
	word := func(i int) uint32 {
		if len(raw) < 4*i+4 {
			return 0
		}
		return binary.LittleEndian.Uint32(raw[4*i:])
	}
	for _, at := range []int{3, 2} {
		if id := word(at); id > 0 && int64(id) <= int64(newest) && isPeer(word(at+1)) {
			e.id = ingest.MessageID(id)
			break
		}
	}
	return e
}

func isPeer(constructor uint32) bool {
	return constructor == tg.PeerChannelTypeID || constructor == tg.PeerUserTypeID || constructor == tg.PeerChatTypeID
}
