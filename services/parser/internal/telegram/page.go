package telegram

import (
	"context"
	"fmt"
	"slices"

	"github.com/gotd/td/tg"

	"github.com/tidemark/tidemark/services/parser/internal/account"
	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

// pageSize is the most messages that Telegram answers at once.
const pageSize = 100

// gapTries and gapMessages bound what one page upwards may ask further, when its answer does not join on to the range's first id.
const (
	gapTries    = 32
	gapMessages = 3 * pageSize
)

// Page reads the next page of within, starting at the end that dir names.
//
// Upwards we ask from within.First on for messages and for one at or below it (add_offset counts places in the list from the offset on, newer ones
// being negative), so that the answer joins on to what is covered already; if it does not, or shows nothing newer, the range is read
// downwards from there, so that nothing is called empty on one answer's word. Where even that does not join on, Covered does not start
// at within.First. Downwards, Covered may end below within.Last where no id is known to have existed yet.
func (p *Pool) Page(ctx context.Context, channel ingest.ChannelID, within ingest.Range, dir ingest.Direction) (ingest.Page, error) {
	var page ingest.Page
	err := p.withPeer(ctx, channel, methodHistory, func(r *reader, peer account.Peer) (err error) {
		h := history{channel: channel, within: within, saw: p.cache.sawTop, fetch: func(offset ingest.MessageID, add int) (body, error) {
			return p.call(ctx, r, &tg.MessagesGetHistoryRequest{Peer: inputPeer(peer), OffsetID: int(offset), AddOffset: add, Limit: pageSize})
		}}
		page, err = h.page(dir)
		return err
	})
	if err != nil {
		return ingest.Page{}, fmt.Errorf("read page of channel %d: %w", channel, err)
	}
	return page, nil
}

// Known is ingest.Source's.
func (p *Pool) Known(channel ingest.ChannelID, top ingest.MessageID) { p.cache.sawTop(channel, top) }

// history reads one page of one channel.
type history struct {
	channel ingest.ChannelID
	within  ingest.Range
	fetch   func(offset ingest.MessageID, add int) (body, error)                // messages.getHistory
	saw     func(ingest.ChannelID, ingest.MessageID) (highest ingest.MessageID) // notes an id that exists, 0 for none

	window  window
	entries []entry
}

func (h *history) page(asked ingest.Direction) (ingest.Page, error) {
	dir, err := asked, error(nil)
	if asked == ingest.Up {
		dir, err = h.up()
	}
	if err == nil && dir == ingest.Down {
		err = h.down(h.within.Last)
	}
	if err == nil && asked == ingest.Up {
		err = h.join()
	}
	if err != nil {
		return ingest.Page{}, err
	}
	page := toPage(h.within, h.entries)
	page.Covered, page.Top = prove(dir, h.within, h.window, h.saw(h.channel, h.window.highest)), h.window.highest
	return page, nil
}

// up asks upwards, and answers Down when the range is to be read from its other end: the server says that there is nothing newer, or hides all
// behind a message that cannot be decoded; then a page's length is tried first.
func (h *history) up() (ingest.Direction, error) {
	_, lost, err := h.ask(h.within.First, 1-pageSize, maxID)
	if err != nil || h.window.highest >= h.within.First {
		return ingest.Up, err
	}
	h.window, h.entries = window{}, nil
	if near := h.within.First + pageSize - 1; lost != nil && near < h.within.Last {
		if err := h.down(near); err != nil {
			return ingest.Down, err
		}
		if h.window.highest >= h.within.First {
			h.within.Last = near
			return ingest.Up, nil
		}
		h.window, h.entries = window{}, nil
	}
	return ingest.Down, nil
}

// join asks downwards until the window reaches the first id of the range.
func (h *history) join() error {
	for range gapTries {
		joined := h.window.lowest <= h.within.First || h.window.bottom
		if joined || len(h.entries) > gapMessages {
			return nil
		}
		if err := h.down(h.window.lowest - 1); err != nil {
			return err
		}
	}
	return nil
}

// down asks for the messages from last on downwards. A server that answers with the offset's own message, and nothing older, counts it in: such
// a one is asked for what is older than that.
func (h *history) down(last ingest.MessageID) error {
	offset, newest := last+1, min(last+1, maxID)
	if last >= maxID {
		offset = 0 // from the newest on
	}
	lowest, err := h.askPast(offset, newest)
	if err == nil && offset > 0 && lowest == offset {
		lowest, err = h.askPast(offset-1, newest-1)
	}
	h.window.bottom = h.window.bottom || err == nil && lowest == 0
	return err
}

// askPast asks downwards. A message at the head of the answer whose id cannot be told is stepped over, by its place in the list; what comes next tells
// where it lies: no other message is between that and its own.
func (h *history) askPast(offset, newest ingest.MessageID) (lowest ingest.MessageID, err error) {
	var nameless []entry
	for len(nameless) <= maxNameless {
		found, lost, err := h.ask(offset, len(nameless), newest)
		if err != nil {
			return 0, err
		}
		if lost != nil {
			nameless = append(nameless, *lost)
			continue
		}
		if len(found) > 0 {
			lowest = found[len(found)-1].id
			h.window.add(found[0].id + ingest.MessageID(len(nameless)))
		}
		h.name(nameless, found, newest)
		return lowest, nil
	}
	return 0, fmt.Errorf("%d messages in a row cannot be decoded, the first of them: %s", len(nameless), nameless[0].problem)
}

// name gives messages that were stepped over, newest first, the lowest ids that they can have, and the highest.
func (h *history) name(nameless, found []entry, newest ingest.MessageID) {
	id := h.within.First
	if len(found) > 0 {
		id = max(id, found[0].id+1)
	}
	for _, e := range slices.Backward(nameless) {
		e.id, e.last = id, newest
		h.entries = append(h.entries, e)
		id++
	}
}

// maxNameless bounds how many messages are stepped over.
const maxNameless = 8

// ask notes what is answered. A last message whose id cannot be told is left out: it will be the first of what is asked next. As the first of this
// answer it is lost.
func (h *history) ask(offset ingest.MessageID, add int, newest ingest.MessageID) (found []entry, lost *entry, err error) {
	answer, err := h.fetch(offset, add)
	if err != nil {
		return nil, nil, err
	}
	found, err = decodeMessages(h.channel, answer, newest)
	if err != nil {
		return nil, nil, err
	}
	if last := len(found) - 1; last >= 0 && found[last].id == 0 {
		if last == 0 {
			return nil, &found[0], nil
		}
		found = found[:last]
	}
	for _, e := range found {
		h.window.add(e.id)
	}
	h.entries = append(h.entries, found...)
	return found, nil, nil
}

// toPage keeps what lies within the range asked, in ascending order and each message once.
func toPage(within ingest.Range, entries []entry) (page ingest.Page) {
	slices.SortStableFunc(entries, func(a, b entry) int { return int(a.id - b.id) })
	entries = slices.CompactFunc(entries, func(a, b entry) bool { return a.id == b.id })
	page.Posts = make([]ingest.Post, 0, len(entries))
	for _, e := range entries {
		if e.id < within.First || e.id > within.Last {
			continue
		}
		page.Messages++
		if date := instant(e.date); !date.IsZero() {
			if page.Oldest.IsZero() {
				page.Oldest = date
			}
			page.Newest = date
		}
		e.last = min(e.last, within.Last)
		addEntry(&page, e)
	}
	return page
}

func addEntry(page *ingest.Page, e entry) {
	problem := e.problem
	switch {
	case problem == "" && e.post == nil: // a service or empty message
		return
	case problem == "" && e.date <= 0:
		problem = "it has no date"
	}
	if problem != "" {
		page.Unreadable = append(page.Unreadable, ingest.Unreadable{Message: e.id, Last: e.last, Raw: e.raw, Problem: problem})
		return
	}
	page.Posts = append(page.Posts, *e.post)
}

func inputPeer(p account.Peer) *tg.InputPeerChannel {
	return &tg.InputPeerChannel{ChannelID: p.Channel, AccessHash: p.AccessHash}
}
