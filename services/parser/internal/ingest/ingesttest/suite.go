package ingesttest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

// Opened is a fresh store with eyes on what it did.
type Opened struct {
	Store      ingest.Store
	Reader     ingest.Reader
	Quarantine ingest.Quarantine
	Events     func() []string // labels of all events, in order; opened with EncodeLabel
}

// EncodeLabel is the encoder that a store under test is to be opened with.
func EncodeLabel(e ingest.Event) ([]byte, error) {
	return []byte(label(e)), nil
}

// label is an event in short.
func label(e ingest.Event) string {
	return fmt.Sprintf("%d/%d/%d/%s", e.Channel, e.Message, e.Revision, e.Kind)
}

// TestStore proves any ingest.Store.
func TestStore(t *testing.T, open func(*testing.T) Opened) {
	for name, test := range map[string]func(*testing.T, *session){
		"what is written is read":                 testRoundTrip,
		"a page saved again changes nothing":      testRepeat,
		"an edit makes a revision and an event":   testEdit,
		"counters make neither":                   testCounters,
		"a hidden edit of nothing makes neither":  testHiddenEdit,
		"an older copy changes nothing":           testOlder,
		"an id can come to mean another message":  testAnother,
		"what a page proves gone is deleted":      testDeleted,
		"a deleted post seen again is restored":   testRestored,
		"an unreadable message deletes nothing":   testUnreadable,
		"nor does one whose id nobody can tell":   testNameless,
		"what is kept of it is bounded":           testUnreadableIsBounded,
		"texts are cleaned, raw bytes are not":    testClean,
		"channels do not touch each other":        testChannels,
		"lists go both ways, filtered, and paged": testLists,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, &session{t, open(t), start})
		})
	}
}

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const channel ingest.ChannelID = 42

type session struct {
	*testing.T
	Opened
	now time.Time
}

// save saves a page read a minute after the one before, covering just the given posts, or the range given.
func (s *session) save(covered ingest.Range, posts ...ingest.Post) ingest.Saved {
	s.Helper()
	s.now = s.now.Add(time.Minute)
	return s.saveAt(s.now, covered, posts...)
}

func (s *session) saveAt(readAt time.Time, covered ingest.Range, posts ...ingest.Post) ingest.Saved {
	s.Helper()
	saved, err := s.Store.SavePage(s.Context(), channel, ingest.Page{Posts: posts, Covered: covered, ReadAt: readAt}, readAt.Add(time.Second))
	if err != nil {
		s.Fatalf("save: %v", err)
	}
	return saved
}

func (s *session) get(id ingest.MessageID) ingest.Post {
	s.Helper()
	found, err := s.Reader.Posts(s.Context(), channel, []ingest.MessageID{id}, true)
	if err != nil || len(found) != 1 {
		s.Fatalf("read post %d: %d posts, %v", id, len(found), err)
	}
	return found[0]
}

func (s *session) want(saved, want ingest.Saved, events ...string) {
	s.Helper()
	if !cmp.Equal(saved, want) {
		s.Errorf("got %+v saved, want %+v", saved, want)
	}
	if got := s.Events(); !slices.Equal(got, events) {
		s.Errorf("got events %q, want %q", got, events)
	}
}

func one(id ingest.MessageID) ingest.Range { return ingest.Range{First: id, Last: id} }

func plain(id ingest.MessageID, text string) ingest.Post {
	return ingest.Post{Channel: channel, Message: id, PostedAt: start.Add(time.Duration(id) * time.Hour), Text: text}
}

func full(id ingest.MessageID) ingest.Post {
	n := func(v int32) *int32 { return &v }
	p := plain(id, "text 🐚")
	p.EditedAt, p.EditHidden = p.PostedAt.Add(time.Minute), true
	p.Entities = []ingest.Entity{{Kind: "text_url", Offset: 1, Length: 2, Value: "https://example.org"}, {Kind: "mention_name", RefID: 7}}
	p.AuthorSignature, p.Author = "someone", ingest.Peer{Kind: ingest.UserPeer, ID: 9}
	p.Views, p.Forwards, p.Replies = n(0), n(2), n(3)
	p.Reactions = []ingest.Reaction{{Emoji: "🔥", Count: 5}, {CustomEmoji: 77, Count: 1}, {Paid: true, Count: 2}}
	p.Album, p.Topic, p.ViaBot, p.TTL = 11, 13, 12, time.Hour
	p.Pinned, p.Silent, p.Protected = true, true, true
	p.Forward = &ingest.Forward{From: ingest.Peer{Kind: ingest.ChannelPeer, ID: 3}, FromName: "name", Message: 4, PostedAt: start, AuthorSignature: "sig"}
	p.ReplyTo = &ingest.Reply{Message: 5, Peer: ingest.Peer{Kind: ingest.GroupPeer, ID: 6}, Thread: 2, Quote: "quote"}
	p.Media = &ingest.Media{Kind: ingest.MediaVideo, FileID: 8, MIMEType: "video/mp4", FileName: "a.mp4", Size: 1 << 33, Width: 10, Height: 20,
		Duration: 1500 * time.Millisecond, Title: "title", Performer: "band", Location: &ingest.Location{Latitude: -1.5, Longitude: 30.25}, URL: "https://example.org", Spoiler: true}
	p.Raw = []byte{0, 1, 2, 0xff}
	return p
}

func testRoundTrip(t *testing.T, s *session) {
	posts := []ingest.Post{plain(1, ""), full(2), plain(4, "x")}
	saved := s.save(ingest.Range{First: 1, Last: 4}, posts...)
	s.want(saved, ingest.Saved{New: 3}, "42/1/1/post.created", "42/2/1/post.created", "42/4/1/post.created")
	for _, want := range posts {
		want.Revision, want.FirstSeenAt, want.ChangedAt = 1, s.now, s.now
		if diff := cmp.Diff(s.get(want.Message), want); diff != "" {
			t.Errorf("post (-got +want):\n%s", diff)
		}
	}
}

func testRepeat(t *testing.T, s *session) {
	s.save(ingest.Range{First: 1, Last: 9}, plain(1, "a"), full(2))
	first := s.get(2)
	s.want(s.save(ingest.Range{First: 1, Last: 9}, plain(1, "a"), full(2)), ingest.Saved{}, "42/1/1/post.created", "42/2/1/post.created")
	if diff := cmp.Diff(s.get(2), first); diff != "" {
		t.Errorf("the row was written (-got +want):\n%s", diff)
	}
}

func testEdit(t *testing.T, s *session) {
	s.save(one(1), plain(1, "a"))
	seen := s.now
	p := plain(1, "b")
	p.EditedAt = p.PostedAt.Add(time.Hour)
	s.want(s.save(one(1), p), ingest.Saved{Changed: 1}, "42/1/1/post.created", "42/1/2/post.edited")
	p.Revision, p.FirstSeenAt, p.ChangedAt = 2, seen, s.now
	if diff := cmp.Diff(s.get(1), p); diff != "" {
		t.Errorf("post (-got +want):\n%s", diff)
	}
}

func testCounters(t *testing.T, s *session) {
	s.save(one(2), full(2))
	p := full(2)
	views := int32(100)
	p.Views, p.Reactions = &views, nil
	s.want(s.save(one(2), p), ingest.Saved{}, "42/2/1/post.created")
	if got := s.get(2); *got.Views != 100 || got.Reactions != nil || got.Revision != 1 {
		t.Errorf("got %d views, reactions %v, revision %d, want 100, none, 1", *got.Views, got.Reactions, got.Revision)
	}
}

func testHiddenEdit(t *testing.T, s *session) {
	s.save(one(1), plain(1, "a"))
	p := plain(1, "a")
	p.EditedAt, p.EditHidden = p.PostedAt.Add(time.Hour), true
	s.want(s.save(one(1), p), ingest.Saved{}, "42/1/1/post.created")
	if got := s.get(1); !got.EditedAt.Equal(p.EditedAt) || !got.EditHidden {
		t.Errorf("got edited at %s, hidden %t: the row must know", got.EditedAt, got.EditHidden)
	}
}

func testOlder(t *testing.T, s *session) {
	newer := plain(1, "b")
	newer.EditedAt = newer.PostedAt.Add(time.Hour)
	s.save(one(1), newer)
	s.want(s.save(one(1), plain(1, "a")), ingest.Saved{}, "42/1/1/post.created")

	s.save(one(2), plain(2, "newer"))
	s.want(s.saveAt(s.now.Add(-time.Minute), one(2), plain(2, "read before")), ingest.Saved{}, "42/1/1/post.created", "42/2/1/post.created")
	if a, b := s.get(1).Text, s.get(2).Text; a != "b" || b != "newer" {
		t.Errorf("got %q and %q, want the newer ones", a, b)
	}
}

func testDeleted(t *testing.T, s *session) {
	s.save(ingest.Range{First: 1, Last: 5}, plain(1, "a"), plain(3, "c"), plain(5, "e"))
	saved := s.save(ingest.Range{First: 2, Last: 9}, plain(5, "e"), plain(7, "g"))
	events := []string{"42/1/1/post.created", "42/3/1/post.created", "42/5/1/post.created", "42/3/1/post.deleted", "42/7/1/post.created"}
	s.want(saved, ingest.Saved{New: 1, Deleted: 1}, events...)
	if got := s.get(3); got.DeletedAt.IsZero() || got.Text != "c" || got.Revision != 1 {
		t.Errorf("got %+v, want it marked, with its content", got)
	}
	if got := s.get(1); !got.DeletedAt.IsZero() {
		t.Error("a post outside of what was proved was deleted")
	}
	s.want(s.save(ingest.Range{First: 2, Last: 9}, plain(5, "e"), plain(7, "g")), ingest.Saved{}, events...)
}

func testRestored(t *testing.T, s *session) {
	s.save(one(1), plain(1, "a"))
	s.save(one(1))
	events := []string{"42/1/1/post.created", "42/1/1/post.deleted", "42/1/2/post.edited"}
	s.want(s.save(one(1), plain(1, "a")), ingest.Saved{Changed: 1}, events...)
	if got := s.get(1); !got.DeletedAt.IsZero() || got.Revision != 2 {
		t.Errorf("got deleted at %s, revision %d, want it to stand, revision 2", got.DeletedAt, got.Revision)
	}
	s.want(s.save(one(1)), ingest.Saved{Deleted: 1}, append(events, "42/1/2/post.deleted")...)
}

func testUnreadable(t *testing.T, s *session) {
	s.save(ingest.Range{First: 1, Last: 3}, plain(1, "a"), plain(3, "c"))
	bad := ingest.Page{Covered: ingest.Range{First: 1, Last: 3}, Posts: []ingest.Post{plain(3, "c")}}
	for _, id := range []ingest.MessageID{1, 1, 2} { // the first twice: once is enough
		bad.Unreadable = append(bad.Unreadable, ingest.Unreadable{Message: id, Raw: []byte{byte(id)}, Problem: "odd"})
	}
	save := func() ingest.Saved {
		t.Helper()
		s.now = s.now.Add(time.Minute)
		bad.ReadAt = s.now
		saved, err := s.Store.SavePage(s.Context(), channel, bad, s.now)
		if err != nil {
			t.Fatal(err)
		}
		return saved
	}
	created := []string{"42/1/1/post.created", "42/3/1/post.created"}
	s.want(save(), ingest.Saved{Struck: []ingest.Range{one(1), one(2)}}, created...)
	if got := s.quarantined(); len(got) != 0 {
		t.Errorf("got %+v in quarantine after one strike", got)
	}
	told := append(created, "42/1/1/message.quarantined", "42/2/0/message.quarantined")
	second := s.now.Add(time.Minute)
	s.want(save(), ingest.Saved{Quarantined: 2}, told...)
	s.want(save(), ingest.Saved{}, told...)
	want := []ingest.Quarantined{
		{Channel: channel, Message: 1, Last: 1, Problem: "odd", Raw: []byte{1}, FirstFailed: second.Add(-time.Minute), LastFailed: s.now, Failures: 3},
		{Channel: channel, Message: 2, Last: 2, Problem: "odd", Raw: []byte{2}, FirstFailed: second.Add(-time.Minute), LastFailed: s.now, Failures: 3},
	}
	if diff := cmp.Diff(s.quarantined(), want); diff != "" {
		t.Errorf("in quarantine (-got +want):\n%s", diff)
	}
	if got := s.get(1); got.Text != "a" || !got.DeletedAt.IsZero() {
		t.Errorf("got %+v, want what could be read once", got)
	}
	saved := s.save(ingest.Range{First: 1, Last: 2}, plain(1, "a")) // now both can be told: one as it was, which is news, one that is gone
	s.want(saved, ingest.Saved{Changed: 1}, append(told, "42/1/2/post.edited")...)
	s.want(s.save(ingest.Range{First: 1, Last: 2}, plain(1, "a")), ingest.Saved{}, append(told, "42/1/2/post.edited")...)
	if got := s.quarantined(); len(got) != 0 {
		t.Errorf("got %+v in quarantine, want nothing left", got)
	}
}

// Something between 2 and 6 is there. Until all of that is read again and shows nothing that cannot be read, it may be any of these ids.
func testNameless(_ *testing.T, s *session) {
	s.save(ingest.Range{First: 1, Last: 6}, plain(1, "a"), plain(4, "perhaps this one"))
	for i, want := range []ingest.Saved{{Struck: []ingest.Range{{First: 2, Last: 6}}}, {Quarantined: 1}} {
		s.now = s.now.Add(time.Minute)
		page := ingest.Page{Covered: ingest.Range{First: 1, Last: 6}, Posts: []ingest.Post{plain(1, "a")}, Unreadable: []ingest.Unreadable{{Message: 2, Last: 6}}, ReadAt: s.now}
		saved, err := s.Store.SavePage(s.Context(), channel, page, s.now)
		if err != nil {
			s.Fatal(err)
		}
		s.want(saved, want, append([]string{"42/1/1/post.created", "42/4/1/post.created"}, []string{"42/2/0/message.quarantined"}[:i]...)...)
	}
	s.save(ingest.Range{First: 1, Last: 3}, plain(1, "a"))
	if got := s.quarantined(); len(got) != 1 || got[0].Message != 2 || got[0].Last != 6 {
		s.Errorf("got %+v, want it to stay: it may be 4 to 6", got)
	}
	s.save(ingest.Range{First: 1, Last: 6}, plain(1, "a"), plain(4, "perhaps this one"))
	if got := s.quarantined(); len(got) != 0 {
		s.Errorf("got %+v, want nothing left: all of it could be read", got)
	}
}

func testUnreadableIsBounded(t *testing.T, s *session) {
	page := ingest.Page{Covered: one(1), Unreadable: []ingest.Unreadable{{Message: 1, Raw: make([]byte, 2<<20), Problem: "\x00\xff" + strings.Repeat("я", 100_000)}}}
	for range 2 {
		if _, err := s.Store.SavePage(t.Context(), channel, page, s.now); err != nil {
			t.Fatal(err)
		}
	}
	got := s.quarantined()
	if len(got) != 1 || len(got[0].Raw) != 1<<20 || len(got[0].Problem) > 510 || !utf8.ValidString(got[0].Problem) {
		t.Errorf("got %d in quarantine, want one of a megabyte with a short problem", len(got))
	}
}

// quarantined is all of it, read by pages of one.
func (s *session) quarantined() (all []ingest.Quarantined) {
	s.Helper()
	var after ingest.Quarantined
	for {
		found, err := s.Quarantine.Quarantined(s.Context(), 0, after, 1, true)
		if err != nil {
			s.Fatal(err)
		}
		if len(found) == 0 {
			return all
		}
		after, all = found[0], append(all, found[0])
	}
}

func testClean(t *testing.T, s *session) {
	p := full(1)
	p.Text, p.Media.Title, p.Entities[0].Value, p.ReplyTo.Quote = "a\x00b\xffc", "\x00", "\xc3", "q\x00"
	s.save(one(1), p)
	got := s.get(1)
	for _, text := range [][2]string{{got.Text, "ab\uFFFDc"}, {got.Media.Title, ""}, {got.Entities[0].Value, "\uFFFD"}, {got.ReplyTo.Quote, "q"}} {
		if text[0] != text[1] {
			t.Errorf("got %q, want %q", text[0], text[1])
		}
	}
	if string(got.Raw) != string(full(1).Raw) {
		t.Errorf("got raw %x, want it as it was", got.Raw)
	}
}

func testAnother(t *testing.T, s *session) {
	old := plain(1, "of the old history")
	old.EditedAt = start.Add(time.Hour)
	s.save(ingest.Range{First: 1, Last: 2}, old, plain(2, "stays"))
	p := plain(1, "of the new one")
	p.PostedAt = start.Add(24 * time.Hour)
	again := ingest.Page{Posts: []ingest.Post{p, plain(2, "edited")}, Covered: ingest.Range{First: 1, Last: 2}, ReadAt: start.Add(25 * time.Hour), Again: true}
	if _, err := s.Store.SavePage(t.Context(), channel, again, start.Add(25*time.Hour)); !errors.Is(err, ingest.ErrRestarted) {
		t.Fatalf("got %v, want %v", err, ingest.ErrRestarted)
	}
	if got := s.get(1).Text + ", " + s.get(2).Text; got != "of the old history, stays" {
		t.Errorf("got %q after a refusal, want nothing changed", got)
	}
	again.Again = false
	saved, err := s.Store.SavePage(t.Context(), channel, again, start.Add(25*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	s.want(saved, ingest.Saved{Changed: 2}, "42/1/1/post.created", "42/2/1/post.created", "42/1/2/post.edited", "42/2/2/post.edited")
	if got := s.get(1); got.Text != p.Text || !got.PostedAt.Equal(p.PostedAt) || !got.EditedAt.IsZero() {
		t.Errorf("got %+v, want the message that has the id now", got)
	}
}

func testChannels(t *testing.T, s *session) {
	s.save(one(1), plain(1, "a"))
	for _, c := range []ingest.ChannelID{41, 43, 50} {
		p := plain(1, "other")
		p.Channel = c
		saved, err := s.Store.SavePage(t.Context(), c, ingest.Page{Posts: []ingest.Post{p}, Covered: ingest.Range{First: 1, Last: 9}}, start)
		if err != nil || !cmp.Equal(saved, ingest.Saved{New: 1}) {
			t.Errorf("got %+v, %v, want one new", saved, err)
		}
	}
	if got := s.get(1).Text; got != "a" {
		t.Errorf("got %q, want the channel's own post", got)
	}
}

func testLists(t *testing.T, s *session) {
	s.save(ingest.Range{First: 1, Last: 6}, plain(1, "a"), plain(2, "b"), plain(4, "d"), plain(5, "e"), plain(6, "f"))
	s.save(one(4))
	for name, tc := range map[string]struct {
		q    ingest.Query
		want []ingest.MessageID
	}{
		"all":         {ingest.Query{}, []ingest.MessageID{1, 2, 4, 5, 6}},
		"backwards":   {ingest.Query{Descending: true}, []ingest.MessageID{6, 5, 4, 2, 1}},
		"from to":     {ingest.Query{Within: ingest.Range{First: 2, Last: 5}}, []ingest.MessageID{2, 4, 5}},
		"after":       {ingest.Query{After: 2, Limit: 2}, []ingest.MessageID{4, 5}},
		"before":      {ingest.Query{After: 5, Descending: true, Limit: 2}, []ingest.MessageID{4, 2}},
		"no deleted":  {ingest.Query{HideDeleted: true}, []ingest.MessageID{1, 2, 5, 6}},
		"by time":     {ingest.Query{Since: plain(2, "").PostedAt, Until: plain(5, "").PostedAt}, []ingest.MessageID{2, 4}},
		"nothing":     {ingest.Query{Within: ingest.Range{First: 7}}, nil},
		"last of all": {ingest.Query{Descending: true, Limit: 1}, []ingest.MessageID{6}},
	} {
		tc.q.Channel = channel
		if tc.q.Limit == 0 {
			tc.q.Limit = 100
		}
		found, err := s.Reader.List(t.Context(), tc.q)
		var got []ingest.MessageID
		for _, p := range found {
			got = append(got, p.Message)
		}
		if err != nil || !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, tc.want)
		}
	}
}
