package telegram

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"pgregory.net/rapid"

	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

var update = flag.Bool("update", false, "write testdata/*.json anew from what the mapping does")

// golden is a message's TL and the post it gives.
type golden struct {
	TL   string // hex, boxed
	Post ingest.Post
}

// TestToPostGolden reads each message from its raw bytes, as it comes from Telegram, and compares the post with the one written down and reviewed.
func TestToPostGolden(t *testing.T) {
	t.Parallel()
	for name, m := range goldenMessages() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join("testdata", strings.ReplaceAll(name, " ", "-")+".json")
			if *update {
				writeGolden(t, file, m)
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatalf("%v; go test -run Golden -update writes it", err)
			}
			var want golden
			if err := json.Unmarshal(text, &want); err != nil {
				t.Fatal(err)
			}
			raw, err := hex.DecodeString(want.TL)
			if err != nil {
				t.Fatal(err)
			}
			got := mapped(t, raw)
			if want.Post.Raw = raw; !cmp.Equal(want.Post, got) {
				t.Errorf("want -, got +:\n%s", cmp.Diff(want.Post, got))
			}
			if encoded := encoded(t, m); !cmp.Equal(encoded, raw) {
				t.Errorf("the message of this test is no longer the one in %s: write it anew with -update", file)
			}
		})
	}
}

func writeGolden(t *testing.T, file string, m *tg.Message) {
	t.Helper()
	raw := encoded(t, m)
	post := mapped(t, raw)
	post.Raw = nil
	text, err := json.MarshalIndent(golden{TL: hex.EncodeToString(raw), Post: post}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

func encoded(t *testing.T, m *tg.Message) []byte {
	t.Helper()
	var b bin.Buffer
	if err := m.Encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Buf
}

func mapped(t *testing.T, raw []byte) ingest.Post {
	t.Helper()
	m, err := tg.DecodeMessage(&bin.Buffer{Buf: raw})
	if err != nil {
		t.Fatal(err)
	}
	return toPost(testChannel, m.(*tg.Message), raw)
}

func channelMessage(id int, fill func(*tg.Message)) *tg.Message {
	m := &tg.Message{ID: id, Post: true, PeerID: &tg.PeerChannel{ChannelID: int64(testChannel)}, Date: 1_700_000_000}
	fill(m)
	return m
}

func withMedia(id int, media tg.MessageMediaClass) *tg.Message {
	return channelMessage(id, func(m *tg.Message) { m.Media = media })
}

func document(attributes ...tg.DocumentAttributeClass) *tg.MessageMediaDocument {
	return &tg.MessageMediaDocument{Document: &tg.Document{
		ID: 77, AccessHash: 1, FileReference: []byte{1}, Date: 1_700_000_000, MimeType: "application/x-test", Size: 4096, DCID: 2, Attributes: attributes,
	}}
}

func goldenMessages() map[string]*tg.Message {
	return map[string]*tg.Message{
		"plain": channelMessage(1, func(m *tg.Message) { m.Message = "Hello, Привет, 👋" }),
		"everything": channelMessage(2, func(m *tg.Message) {
			m.Message, m.Silent, m.Pinned, m.Noforwards, m.EditHide = "all of it", true, true, true, true
			m.EditDate, m.PostAuthor, m.FromID, m.ViaBotID = 1_700_000_060, "The Editor", &tg.PeerUser{UserID: 11}, 12
			m.Views, m.Forwards, m.GroupedID, m.TTLPeriod = 1000, 0, 1234567890123, 86400
			m.SetViews(1000)
			m.SetForwards(0)
			m.SetReplies(tg.MessageReplies{Replies: 5, RepliesPts: 6, Comments: true, ChannelID: 200})
		}),
		"entities": channelMessage(3, func(m *tg.Message) {
			m.Message = "👋 bold italic code #tag @name $USD https://x.example click me 🙂"
			m.Entities = []tg.MessageEntityClass{
				&tg.MessageEntityBold{Offset: 3, Length: 4}, &tg.MessageEntityItalic{Offset: 8, Length: 6}, &tg.MessageEntityCode{Offset: 15, Length: 4},
				&tg.MessageEntityHashtag{Offset: 20, Length: 4}, &tg.MessageEntityMention{Offset: 25, Length: 5}, &tg.MessageEntityCashtag{Offset: 31, Length: 4},
				&tg.MessageEntityURL{Offset: 36, Length: 17}, &tg.MessageEntityTextURL{Offset: 54, Length: 8, URL: "https://y.example/?q=1"},
				&tg.MessageEntityCustomEmoji{Offset: 63, Length: 2, DocumentID: 5368324170671202286},
				&tg.MessageEntityPre{Offset: 0, Length: 2, Language: "go"}, &tg.MessageEntityMentionName{Offset: 0, Length: 1, UserID: 42},
				&tg.MessageEntityBlockquote{Offset: 0, Length: 2, Collapsed: true}, &tg.MessageEntitySpoiler{Offset: 0, Length: 1},
				&tg.MessageEntityBotCommand{Offset: 0, Length: 1}, &tg.MessageEntityBankCard{Offset: 0, Length: 1}, &tg.MessageEntityUnknown{Offset: 0, Length: 1},
			}
		}),
		"reactions": channelMessage(4, func(m *tg.Message) {
			m.SetReactions(tg.MessageReactions{Results: []tg.ReactionCount{
				{Reaction: &tg.ReactionEmoji{Emoticon: "👍"}, Count: 7}, {Reaction: &tg.ReactionCustomEmoji{DocumentID: 99}, Count: 2},
				{Reaction: &tg.ReactionPaid{}, Count: 1}, {Reaction: &tg.ReactionEmpty{}, Count: 3},
			}})
		}),
		"forward from a channel": channelMessage(5, func(m *tg.Message) {
			f := tg.MessageFwdHeader{Date: 1_600_000_000, PostAuthor: "A. Author"}
			f.SetFromID(&tg.PeerChannel{ChannelID: 300})
			f.SetChannelPost(17)
			f.SetPostAuthor("A. Author")
			m.SetFwdFrom(f)
		}),
		"forward from a hidden user": channelMessage(6, func(m *tg.Message) {
			f := tg.MessageFwdHeader{Date: 1_600_000_000}
			f.SetFromName("Somebody")
			m.SetFwdFrom(f)
		}),
		"reply with a quote": channelMessage(7, func(m *tg.Message) {
			h := &tg.MessageReplyHeader{Quote: true}
			h.SetReplyToMsgID(3)
			h.SetReplyToPeerID(&tg.PeerChannel{ChannelID: 300})
			h.SetReplyToTopID(2)
			h.SetQuoteText("italic")
			m.SetReplyTo(h)
		}),
		"in a topic":       inTopic(29, 400, 0),
		"reply in a topic": inTopic(30, 3, 400),
		"in General":       inTopic(31, 1, 0),
		"reply to a story": channelMessage(8, func(m *tg.Message) {
			m.SetReplyTo(&tg.MessageReplyStoryHeader{Peer: &tg.PeerUser{UserID: 11}, StoryID: 4})
		}),
		"photo": withMedia(10, &tg.MessageMediaPhoto{Spoiler: true, Photo: &tg.Photo{ID: 55, FileReference: []byte{1}, Date: 1, DCID: 2, Sizes: []tg.PhotoSizeClass{
			&tg.PhotoStrippedSize{Type: "i", Bytes: []byte{1, 2}}, &tg.PhotoSize{Type: "m", W: 320, H: 200, Size: 9000},
			&tg.PhotoSizeProgressive{Type: "y", W: 1280, H: 800, Sizes: []int{1000, 90000, 50000}}, &tg.PhotoCachedSize{Type: "s", W: 90, H: 56, Bytes: []byte{1}},
		}}}),
		"photo gone":      withMedia(11, &tg.MessageMediaPhoto{TTLSeconds: 5}),
		"video":           withMedia(12, document(&tg.DocumentAttributeVideo{Duration: 12.345, W: 1920, H: 1080}, &tg.DocumentAttributeFilename{FileName: "clip.mp4"})),
		"video note":      withMedia(13, document(&tg.DocumentAttributeVideo{RoundMessage: true, Duration: 6, W: 384, H: 384})),
		"voice":           withMedia(14, document(&tg.DocumentAttributeAudio{Voice: true, Duration: 30})),
		"audio":           withMedia(15, document(&tg.DocumentAttributeAudio{Duration: 200, Title: "Song", Performer: "Band"}, &tg.DocumentAttributeFilename{FileName: "song.mp3"})),
		"animation":       withMedia(16, document(&tg.DocumentAttributeVideo{Duration: 2, W: 320, H: 240}, &tg.DocumentAttributeAnimated{})),
		"sticker":         withMedia(17, document(&tg.DocumentAttributeImageSize{W: 512, H: 512}, &tg.DocumentAttributeSticker{Alt: "🙂", Stickerset: &tg.InputStickerSetEmpty{}})),
		"file":            withMedia(18, document(&tg.DocumentAttributeFilename{FileName: "report.pdf"})),
		"voice gone":      withMedia(19, &tg.MessageMediaDocument{Voice: true, TTLSeconds: 5}),
		"web page":        withMedia(20, &tg.MessageMediaWebPage{Webpage: &tg.WebPage{ID: 1, URL: "https://x.example/a", DisplayURL: "x.example/a", Title: "A page"}}),
		"web page empty":  withMedia(21, &tg.MessageMediaWebPage{Webpage: &tg.WebPageEmpty{ID: 1}}),
		"poll":            withMedia(22, &tg.MessageMediaPoll{Poll: tg.Poll{ID: 9, Question: tg.TextWithEntities{Text: "Tea or coffee?"}}}),
		"place":           withMedia(23, &tg.MessageMediaGeo{Geo: &tg.GeoPoint{Lat: 59.9386, Long: 30.3141}}),
		"place off Earth": withMedia(32, &tg.MessageMediaGeo{Geo: &tg.GeoPoint{Lat: math.NaN(), Long: 2}}),
		"venue":           withMedia(24, &tg.MessageMediaVenue{Geo: &tg.GeoPoint{Lat: -1.5, Long: 2}, Title: "The Museum", Address: "Street 1"}),
		"contact":         withMedia(25, &tg.MessageMediaContact{PhoneNumber: "+10000000000", FirstName: "Ann", LastName: "Other"}),
		"dice":            withMedia(26, &tg.MessageMediaDice{Value: 6, Emoticon: "🎲"}),
		"no media at all": withMedia(27, &tg.MessageMediaEmpty{}),
		"text that is no text": channelMessage(28, func(m *tg.Message) {
			m.Message, m.PostAuthor = "a\x00b\xffc", "\xc3("
		}),
	}
}

// inTopic is a message of a forum as Telegram says it: one that answers nothing names its topic as if it answered that.
func inTopic(id, answers, top int) *tg.Message {
	return channelMessage(id, func(m *tg.Message) {
		h := &tg.MessageReplyHeader{ForumTopic: true}
		h.SetReplyToMsgID(answers)
		if top != 0 {
			h.SetReplyToTopID(top)
		}
		m.SetReplyTo(h)
	})
}

func TestToPostOfAnEmptyMessage(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]*tg.Message{
		"nothing set": {},
		"nil inside": {
			Media: &tg.MessageMediaPhoto{}, ReplyTo: &tg.MessageReplyHeader{}, Flags: math.MaxUint32, Flags2: math.MaxUint32,
			Reactions: tg.MessageReactions{Results: []tg.ReactionCount{{}}},
		},
		"nil document": {Media: &tg.MessageMediaDocument{Document: &tg.Document{Attributes: []tg.DocumentAttributeClass{nil}}}},
		"nil page":     {Media: &tg.MessageMediaWebPage{}},
		"nil place":    {Media: &tg.MessageMediaVenue{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := toPost(testChannel, m, nil); got.Channel != testChannel {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestCleanKeepsOffsets(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"": "", "ok 👋": "ok 👋", "a\x00b": "a\ufffdb", "a\xff\xfeb": "a\ufffd\ufffdb"} {
		if got := clean(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestSeconds(t *testing.T) {
	t.Parallel()
	for in, want := range map[float64]time.Duration{0: 0, 12.345: 12345 * time.Millisecond, -1: 0, math.NaN(): 0, math.Inf(1): 0, 1e300: 0} {
		if got := seconds(in); got != want {
			t.Errorf("%v: got %v, want %v", in, got, want)
		}
	}
}

// FuzzPage: no answer, however broken, makes the decoder or the mapping panic, and no page holds a message twice or out of place.
func FuzzPage(f *testing.F) {
	f.Add([]byte(encodePage([]ingest.MessageID{9, 8, 7, 6, 3}, nil)))
	f.Add([]byte(encodePage([]ingest.MessageID{9, 8}, map[ingest.MessageID]bool{8: true})))
	for _, m := range goldenMessages() {
		var b bin.Buffer
		answer := &tg.MessagesChannelMessages{Messages: []tg.MessageClass{m}}
		if err := answer.Encode(&b); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Buf)
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		within := ingest.Range{First: 1, Last: maxID}
		entries, err := decodeMessages(testChannel, answer, maxID)
		if err != nil {
			return
		}
		last := ingest.MessageID(0)
		for _, p := range toPage(within, entries).Posts {
			if p.Message <= last {
				t.Fatalf("message %d after %d", p.Message, last)
			}
			last = p.Message
		}
	})
}

// TestBrokenAnswersNeverPanic is the fuzz target's poor relation, for every run: pages of real kinds of messages with some bytes changed.
func TestBrokenAnswersNeverPanic(t *testing.T) {
	t.Parallel()
	var all []tg.MessageClass
	for _, m := range goldenMessages() {
		all = append(all, m)
	}
	var b bin.Buffer
	if err := (&tg.MessagesChannelMessages{Messages: all}).Encode(&b); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		broken := bytes.Clone(b.Buf[:rapid.IntRange(0, len(b.Buf)).Draw(t, "length")])
		for range rapid.IntRange(0, 8).Draw(t, "changes") {
			if len(broken) > 0 {
				broken[rapid.IntRange(0, len(broken)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
			}
		}
		entries, err := decodeMessages(testChannel, broken, maxID)
		if err == nil {
			toPage(ingest.Range{First: 1, Last: maxID}, entries)
		}
	})
}
