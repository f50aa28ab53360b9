package telegram

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"google.golang.org/protobuf/proto"

	"github.com/tidemark/tidemark/services/parser/internal/ingest"
	"github.com/tidemark/tidemark/services/parser/internal/wire"
)

// content is what all seeds say, so that a complaint that quotes a message is noticed.
const content = "hunter2hunter2"

// FuzzMessage reads bytes as one message of a page.
func FuzzMessage(f *testing.F) {
	for _, m := range goldenMessages() {
		m.Message = content + m.Message
		var b bin.Buffer
		if err := m.Encode(&b); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Buf)
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		var page bin.Buffer
		page.PutID(tg.MessagesMessagesTypeID)
		page.PutVectorHeader(1)
		readable(t, append(page.Buf, message...))
	})
}

// FuzzAnswer reads bytes as a whole answer.
func FuzzAnswer(f *testing.F) {
	one := channelMessage(5, func(m *tg.Message) { m.Message = content })
	two := channelMessage(4, func(m *tg.Message) { m.Message, m.Date = content, 0 })
	all := []tg.MessageClass{one, two, &tg.MessageService{ID: 3, PeerID: one.PeerID, Date: 1, Action: &tg.MessageActionPinMessage{}}, &tg.MessageEmpty{ID: 2}}
	slice := &tg.MessagesMessagesSlice{Count: 9, Messages: all}
	slice.SetNextRate(1)
	slice.SetSearchFlood(tg.SearchPostsFlood{TotalDaily: 1, Remains: 2, StarsAmount: 3})
	for _, answer := range []bin.Encoder{
		&tg.MessagesMessages{Messages: all}, slice, &tg.MessagesChannelMessages{Pts: 1, Count: 9, Messages: all}, &tg.MessagesMessagesNotModified{Count: 9},
	} {
		var b bin.Buffer
		if err := answer.Encode(&b); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Buf)
	}
	f.Fuzz(readable)
}

// readable checks that an answer, whatever it holds, becomes posts that can be stored and sent, and complaints that keep the bytes and quote none.
func readable(t *testing.T, answer []byte) {
	entries, err := decodeMessages(testChannel, answer, maxID)
	if err != nil {
		quiet(t, err.Error())
		return
	}
	page := toPage(ingest.Range{First: 1, Last: maxID}, entries)
	for i := range page.Posts {
		storable(t, &page.Posts[i])
	}
	for _, u := range page.Unreadable {
		quiet(t, u.Problem)
		if u.Problem == "" || !clean8(u.Problem) || u.Raw == nil && len(answer) > 12 && u.Message != 0 {
			t.Errorf("message %d cannot be read, %q, and %d of its bytes are kept", u.Message, u.Problem, len(u.Raw))
		}
	}
}

func quiet(t *testing.T, problem string) {
	t.Helper()
	if strings.Contains(problem, content) {
		t.Errorf("the complaint quotes the message: %q", problem)
	}
}

func storable(t *testing.T, p *ingest.Post) {
	t.Helper()
	if len(p.Raw) == 0 || p.Message < 1 || p.Message > maxID || p.PostedAt.IsZero() {
		t.Errorf("post %d of %s with %d raw bytes", p.Message, p.PostedAt, len(p.Raw))
	}
	length := len(utf16.Encode([]rune(p.Text)))
	for _, e := range p.Entities {
		if e.Offset < 0 || e.Length <= 0 || e.Offset+e.Length > length {
			t.Errorf("a %s at %d for %d units of a text of %d", e.Kind, e.Offset, e.Length, length)
		}
	}
	texts(t, reflect.ValueOf(p).Elem())
	asJSON, err := json.Marshal(p)
	if err != nil {
		t.Fatalf("as JSON: %v", err)
	}
	var again ingest.Post
	if err := json.Unmarshal(asJSON, &again); err != nil || !cmp.Equal(*p, again) {
		t.Errorf("back from JSON: %v\n%s", err, cmp.Diff(*p, again))
	}
	if _, err := proto.Marshal(wire.Post(p)); err != nil {
		t.Errorf("as protobuf: %v", err)
	}
}

func clean8(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// texts checks all strings, however deep.
func texts(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.String:
		if !clean8(v.String()) {
			t.Errorf("%q can be neither stored nor sent", v.String())
		}
	case reflect.Pointer:
		if !v.IsNil() {
			texts(t, v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				texts(t, v.Field(i))
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return
		}
		for i := range v.Len() {
			texts(t, v.Index(i))
		}
	}
}

// An answer of ten megabytes can nest a text millions deep: a stack overflow is no panic, nobody recovers from it.
func TestTextsNestedWithoutEndAreUnreadable(t *testing.T) {
	t.Parallel()
	article := tg.Page{URL: "u", Blocks: []tg.PageBlockClass{&tg.PageBlockTitle{Text: &tg.TextEmpty{}}}}
	preview := &tg.WebPage{ID: 1, URL: "u", DisplayURL: "u"}
	preview.SetCachedPage(article)
	answer := &tg.MessagesMessages{Messages: []tg.MessageClass{withMedia(9, &tg.MessageMediaWebPage{Webpage: preview})}}
	var flat, innermost, bold bin.Buffer
	if err := answer.Encode(&flat); err != nil {
		t.Fatal(err)
	}
	innermost.PutID(tg.TextEmptyTypeID)
	bold.PutID(tg.TextBoldTypeID)
	before, after, found := bytes.Cut(flat.Buf, innermost.Buf)
	if !found {
		t.Fatal("the article has no text to nest")
	}
	deep := slices.Concat(before, bytes.Repeat(bold.Buf, 2_500_000), innermost.Buf, after)
	entries, err := decodeMessages(testChannel, deep, 9)
	if err != nil || len(entries) != 1 || entries[0].problem == "" || entries[0].id != 9 || len(entries[0].raw) != maxRaw {
		t.Errorf("got %d entries, %v, want message 9 as one that cannot be read", len(entries), err)
	}
}
