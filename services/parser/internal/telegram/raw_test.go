package telegram

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

// words is little-endian TL.
func words(all ...uint32) (raw []byte) {
	for _, w := range all {
		raw = binary.LittleEndian.AppendUint32(raw, w)
	}
	return raw
}

func TestUndecodableTellsItsID(t *testing.T) {
	t.Parallel()
	const unknown = 0x0badf00d
	for name, tc := range map[string]struct {
		raw    []byte
		newest ingest.MessageID
		want   ingest.MessageID
	}{
		"flags, more flags, id":        {words(unknown, 1<<14, 0, 42, tg.PeerChannelTypeID), 100, 42},
		"flags, id":                    {words(unknown, 1<<14, 42, tg.PeerChannelTypeID, 100), 100, 42},
		"with an author":               {words(unknown, 1<<8, 0, 42, tg.PeerUserTypeID), 100, 42},
		"second flags look like an id": {words(unknown, 0, 7, 42, tg.PeerChannelTypeID), 100, 42},
		"above what it can be":         {words(unknown, 0, 0, 142, tg.PeerChannelTypeID), 100, 0},
		"negative":                     {words(unknown, 0, 0, 1<<31, tg.PeerChannelTypeID), maxID, 0},
		"no peer behind":               {words(unknown, 0, 42, 41, 40), 100, 0},
		"nothing behind":               {words(unknown, 0, 0, 42), 100, 0},
		"cut":                          {words(unknown)[:3], 100, 0},
		"empty":                        {nil, 100, 0},
	} {
		e := undecodable(tc.raw, tc.newest, errors.New("why"))
		if e.id != tc.want || e.problem == "" || len(e.raw) != len(tc.raw) {
			t.Errorf("%s: got id %d, %d bytes, problem %q, want id %d and all bytes", name, e.id, len(e.raw), e.problem, tc.want)
		}
	}
	if e := undecodable(make([]byte, 1<<20), 100, errors.New("why")); len(e.raw) != maxRaw || cap(e.raw) != maxRaw {
		t.Errorf("got %d bytes kept, want %d", len(e.raw), maxRaw)
	}
}

func TestAPanicIsOneMessagesProblem(t *testing.T) {
	t.Parallel()
	d := decoder{buf: &bin.Buffer{Buf: words(1, 2)}, size: 8, nested: make([]int, maxNested+1)}
	d.nested[maxNested] = 99 // beyond the answer
	if e, err := d.next(); err == nil || e.post != nil {
		t.Errorf("got %+v, %v, want an error", e, err)
	}
}

func TestDecodeMessagesOfEveryAnswer(t *testing.T) {
	t.Parallel()
	all := []tg.MessageClass{message(5), message(4), message(3)}
	slice := &tg.MessagesMessagesSlice{Count: 9, Messages: all}
	slice.SetNextRate(1)
	slice.SetOffsetIDOffset(2)
	slice.SetSearchFlood(tg.SearchPostsFlood{TotalDaily: 1, Remains: 2, StarsAmount: 3})
	channel := &tg.MessagesChannelMessages{Pts: 1, Count: 9, Messages: all}
	channel.SetOffsetIDOffset(2)
	for name, answer := range map[string]bin.Encoder{
		"messages": &tg.MessagesMessages{Messages: all}, "slice": slice, "channel": channel, "plain channel": &tg.MessagesChannelMessages{Messages: all},
	} {
		var b bin.Buffer
		if err := answer.Encode(&b); err != nil {
			t.Fatal(err)
		}
		entries, err := decodeMessages(testChannel, b.Buf, maxID)
		if err != nil || len(entries) != 3 || entries[0].id != 5 || entries[2].id != 3 {
			t.Errorf("%s: got %+v, %v", name, entries, err)
		}
		if raw := entries[0].raw; binary.LittleEndian.Uint32(raw) != tg.MessageTypeID || cap(raw) != len(raw) {
			t.Errorf("%s: raw bytes do not start with the message, or run into the next one", name)
		}
	}
	for name, answer := range map[string][]byte{
		"not modified": words(tg.MessagesMessagesNotModifiedTypeID, 0), "something new": words(0x0badf00d, 0, 0), "nothing": nil,
		"cut": words(tg.MessagesChannelMessagesTypeID, 0, 1),
	} {
		if _, err := decodeMessages(testChannel, answer, maxID); err == nil {
			t.Errorf("%s: got no error: an answer that cannot be read must not look like an empty page", name)
		}
	}
}
