package telegram

import (
	"slices"
	"testing"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"pgregory.net/rapid"

	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

const testChannel ingest.ChannelID = 100

func TestProve(t *testing.T) {
	t.Parallel()
	r := func(first, last ingest.MessageID) ingest.Range { return ingest.Range{First: first, Last: last} }
	saw := func(lowest, highest ingest.MessageID) window { return window{lowest: lowest, highest: highest} }
	for name, tc := range map[string]struct {
		dir    ingest.Direction
		within ingest.Range
		window window
		top    ingest.MessageID
		want   ingest.Range
	}{
		"up: a full page":                         {ingest.Up, r(101, 500), saw(100, 199), 500, r(101, 199)},
		"up: reaches beyond the range":            {ingest.Up, r(101, 150), saw(100, 199), 199, r(101, 150)},
		"up: above highest is left to the next":   {ingest.Up, r(101, 500), saw(100, 199), 500, r(101, 199)},
		"up: does not join on to the first id":    {ingest.Up, r(101, 500), saw(300, 400), 500, r(300, 400)},
		"up: nothing exists below":                {ingest.Up, r(1, 500), window{lowest: 5, highest: 99, bottom: true}, 500, r(1, 99)},
		"up: older messages only":                 {ingest.Up, r(101, 500), saw(2, 100), 500, r(0, 0)},
		"down: a full page":                       {ingest.Down, r(1, 500), saw(401, 500), 500, r(401, 500)},
		"down: the newest ones are gone":          {ingest.Down, r(1, 500), saw(401, 490), 500, r(401, 500)},
		"down: ids above the top may still come":  {ingest.Down, r(1, 1000), saw(401, 500), 500, r(401, 500)},
		"down: an answer from below the range":    {ingest.Down, r(101, 200), saw(2, 100), 300, r(101, 200)},
		"down: the same, above the top":           {ingest.Down, r(101, 200), saw(2, 100), 100, r(0, 0)},
		"down: a short page is no bottom":         {ingest.Down, r(1, 500), saw(450, 500), 500, r(450, 500)},
		"down: an empty answer is":                {ingest.Down, r(1, 500), window{bottom: true}, 600, r(1, 500)},
		"down: empty, and no id is known":         {ingest.Down, r(1, 500), window{bottom: true}, 0, r(0, 0)},
		"down: empty, ids known up to the middle": {ingest.Down, r(1, 500), window{bottom: true}, 300, r(1, 300)},
		"down: an answer from above the range":    {ingest.Down, r(1, 500), saw(501, 600), 600, r(0, 0)},
		"no answer":                               {ingest.Down, r(1, 500), window{}, 600, r(0, 0)},
	} {
		if got := prove(tc.dir, tc.within, tc.window, tc.top); got != tc.want {
			t.Errorf("%s: got %v, want %v", name, got, tc.want)
		}
	}
}

// model is a server with a channel, within the limits of what Telegram says of itself.
type model struct {
	exist     []ingest.MessageID // ascending
	inclusive bool               // offset_id itself counts as newer
	clip      bool               // a piece that would start above the newest is cut, not moved
	short     func(n int) int    // how many of n messages are answered
	poison    map[ingest.MessageID]bool
	asked     int
}

func (m *model) fetch(offset ingest.MessageID, add int) (body, error) {
	m.asked++
	list := slices.Clone(m.exist)
	slices.Reverse(list)
	at := 0
	if offset > 0 {
		at = slices.IndexFunc(list, func(id ingest.MessageID) bool { return id < offset || !m.inclusive && id == offset })
		if at < 0 {
			at = len(list)
		}
	}
	first, last := at+add, at+add+pageSize
	if first < 0 {
		if !m.clip {
			last -= first
		}
		first = 0
	}
	piece := list[min(first, len(list)):min(max(last, first), len(list))]
	if add == 0 && len(piece) > 0 {
		piece = piece[:max(1, min(len(piece), m.short(len(piece))))] // fewer than exist, from the offset on
	}
	return encodePage(piece, m.poison), nil
}

// encodePage is an answer with an empty message, a service message or a post for each id.
func encodePage(ids []ingest.MessageID, poison map[ingest.MessageID]bool) body {
	var b bin.Buffer
	b.PutID(tg.MessagesChannelMessagesTypeID)
	b.PutInt(0) // flags
	b.PutInt(1) // pts
	b.PutInt(len(ids))
	b.PutVectorHeader(len(ids))
	for _, id := range ids {
		start := len(b.Buf)
		if err := message(id).Encode(&b); err != nil {
			panic(err)
		}
		if poison[id] {
			b.Buf[start] ^= 0xff // a constructor that nobody knows
		}
	}
	b.PutVectorHeader(7) // topics, cut off: nobody looks at them
	return b.Buf
}

func message(id ingest.MessageID) tg.MessageClass {
	peer := &tg.PeerChannel{ChannelID: int64(testChannel)}
	switch id % 10 {
	case 3:
		return &tg.MessageEmpty{ID: int(id)}
	case 7:
		return &tg.MessageService{ID: int(id), PeerID: peer, Date: int(id), Action: &tg.MessageActionPinMessage{}}
	}
	return &tg.Message{ID: int(id), PeerID: peer, Date: int(id), Message: "text"}
}

func drawModel(t *rapid.T) (m *model, top ingest.MessageID) {
	top = ingest.MessageID(rapid.IntRange(0, 700).Draw(t, "top"))
	density := rapid.IntRange(0, 100).Draw(t, "density")
	m = &model{
		inclusive: rapid.Bool().Draw(t, "inclusive"), clip: rapid.Bool().Draw(t, "clip"), short: func(n int) int { return n },
		poison: map[ingest.MessageID]bool{},
	}
	if rapid.Bool().Draw(t, "short pages") {
		m.short = func(n int) int { return rapid.IntRange((n+2)/3, n).Draw(t, "answered") }
	}
	seed := rapid.Uint64().Draw(t, "seed")
	for id := ingest.MessageID(1); id <= top; id++ {
		seed = seed*6364136223846793005 + 1442695040888963407
		if int(seed>>33%100) < density {
			m.exist = append(m.exist, id)
			m.poison[id] = seed>>45%40 == 0
		}
	}
	return m, top
}

// TestPageProvesOnlyWhatItSaw: whatever a server does within the limits, each id that a page calls covered was handed over, is no post, or does not
// exist and never will; and reading on comes to an end with everything covered that can be.
func TestPageProvesOnlyWhatItSaw(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m, top := drawModel(t)
		first := ingest.MessageID(rapid.IntRange(1, 700).Draw(t, "first"))
		within := ingest.Range{First: first, Last: first + ingest.MessageID(rapid.IntRange(0, 700).Draw(t, "length"))}
		dir := ingest.Direction(rapid.IntRange(0, 1).Draw(t, "direction"))
		known := ingest.MessageID(0)
		if rapid.Bool().Draw(t, "top is known") {
			known = top
		}
		saw := func(_ ingest.ChannelID, id ingest.MessageID) ingest.MessageID {
			known = max(known, id)
			return known
		}
		for pages := 0; within.First <= within.Last; pages++ {
			h := history{channel: testChannel, within: within, fetch: m.fetch, saw: saw}
			page, err := h.page(dir)
			if err != nil {
				t.Fatal(err)
			}
			checkPage(t, m, within, page, top)
			if page.Covered == (ingest.Range{}) {
				checkStuck(t, m, dir, within, known)
				return
			}
			if dir == ingest.Up {
				if page.Covered.First != within.First {
					t.Fatalf("upwards %v: covered %v does not start where it was asked to", within, page.Covered)
				}
				within.First = page.Covered.Last + 1
			} else {
				within.Last = page.Covered.First - 1
			}
			if pages > 1500 {
				t.Fatalf("no end after %d pages", pages)
			}
		}
	})
}

func checkPage(t *rapid.T, m *model, within ingest.Range, page ingest.Page, top ingest.MessageID) {
	handed := map[ingest.MessageID]int{}
	for _, p := range page.Posts {
		handed[p.Message]++
	}
	for _, u := range page.Unreadable {
		handed[u.Message]++
	}
	for id, n := range handed {
		if n > 1 || id < within.First || id > within.Last {
			t.Fatalf("%v: message %d was handed over %d times", within, id, n)
		}
	}
	c := page.Covered
	if c != (ingest.Range{}) && (c.First < within.First || c.Last > within.Last || c.First > c.Last || c.Last > top) {
		t.Fatalf("%v: covered %v, newest id ever is %d", within, c, top)
	}
	unreadable := 0
	for _, id := range m.exist {
		if id < c.First || id > c.Last {
			continue
		}
		if m.poison[id] {
			unreadable++
			if !slices.ContainsFunc(page.Unreadable, func(u ingest.Unreadable) bool { return u.IDs().Contains(id) }) {
				t.Fatalf("%v: %d cannot be decoded, and none of %+v can be it", within, id, page.Unreadable)
			}
		}
		nameless := id%10 == 3 // the head of an empty message holds nothing to tell its id by
		if post := id%10 != 3 && id%10 != 7; handed[id] == 0 && (post || m.poison[id] && !nameless) {
			t.Fatalf("%v: %d is in covered %v and was not handed over", within, id, c)
		}
	}
	if unreadable > len(page.Unreadable) {
		t.Fatalf("%v: covered %v holds %d messages that cannot be decoded, handed over are %d", within, c, unreadable, len(page.Unreadable))
	}
}

// checkStuck: a page may prove nothing only when no id of the range is known to have existed, or for a server that counts the offset itself as older,
// at the very bottom.
func checkStuck(t *rapid.T, m *model, dir ingest.Direction, within ingest.Range, known ingest.MessageID) {
	for _, id := range m.exist {
		hidden := m.poison[id] && id%10 == 3 && id > known // there, and nothing tells how high
		if id >= within.First && id <= within.Last && !hidden {
			t.Fatalf("%v: nothing is covered, and %d is there", within, id)
		}
	}
	if known >= within.First && m.inclusive {
		t.Fatalf("%v (direction %d): nothing is covered, and ids up to %d are used up", within, dir, known)
	}
}
