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

// gapTries bounds the further questions that one page upwards may need, when its answer does not join on to the range's first id.
const gapTries = 8

// Page reads the next page of within, starting at the end that dir names. Upwards a range that turns out to be empty is read downwards, so that
// nothing is called empty on one answer's word; downwards Covered may end below within.Last where no id is known to have existed yet.
func (p *Pool) Page(ctx context.Context, channel ingest.ChannelID, within ingest.Range, dir ingest.Direction) (ingest.Page, error) {
	var page ingest.Page
	err := p.withPeer(ctx, channel, methodHistory, func(r *reader, peer account.Peer) (err error) {
		h := history{pool: p, reader: r, peer: peer, within: within}
		page, err = h.page(ctx, dir)
		return err
	})
	if err != nil {
		return ingest.Page{}, fmt.Errorf("read page of channel %d: %w", channel, err)
	}
	return page, nil
}

// history reads one page of one channel.
type history struct {
	pool   *Pool
	reader *reader
	peer   account.Peer
	within ingest.Range

	window  window
	entries []entry
}

func (h *history) page(ctx context.Context, dir ingest.Direction) (ingest.Page, error) {
	if dir == ingest.Up {
		if err := h.up(ctx); err != nil {
			return ingest.Page{}, err
		}
		if h.window.highest < h.within.First { // nothing newer, says the server
			dir, h.window, h.entries = ingest.Down, window{}, nil
		}
	}
	if dir == ingest.Down {
		if err := h.down(ctx, h.within.Last); err != nil {
			return ingest.Page{}, err
		}
	}
	channel := ingest.ChannelID(h.peer.Channel)
	top := h.pool.cache.sawTop(channel, h.window.highest)
	page := toPage(channel, h.within, h.entries)
	page.Covered, page.Top = prove(dir, h.within, h.window, top), h.window.highest
	return page, nil
}

// up asks for the messages from within.First on, and one at or below it: add_offset counts places in the list from the offset on, newer ones
// being negative.
func (h *history) up(ctx context.Context) error {
	if _, err := h.ask(ctx, h.within.First, 1-pageSize, maxID); err != nil {
		return err
	}
	for range gapTries {
		if h.window.highest < h.within.First || h.window.lowest <= h.within.First || h.window.bottom {
			return nil
		}
		if err := h.down(ctx, h.window.lowest-1); err != nil {
			return err
		}
	}
	return nil
}

// down asks for the messages from last on downwards.
func (h *history) down(ctx context.Context, last ingest.MessageID) error {
	offset := last + 1
	if last >= maxID {
		offset, last = 0, maxID // from the newest on
	}
	n, err := h.ask(ctx, offset, 0, last+1)
	h.window.bottom = h.window.bottom || err == nil && n == 0
	return err
}

func (h *history) ask(ctx context.Context, offset ingest.MessageID, add int, newest ingest.MessageID) (int, error) {
	answer, err := h.pool.call(ctx, h.reader, &tg.MessagesGetHistoryRequest{
		Peer: inputPeer(h.peer), OffsetID: int(offset), AddOffset: add, Limit: pageSize,
	})
	if err != nil {
		return 0, err
	}
	entries, err := decodeMessages(answer, min(newest, maxID))
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		h.window.add(e.id)
	}
	h.entries = append(h.entries, entries...)
	return len(entries), nil
}

// toPage keeps what lies within the range asked, in ascending order and each message once.
func toPage(channel ingest.ChannelID, within ingest.Range, entries []entry) (page ingest.Page) {
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
		addEntry(&page, channel, e)
	}
	return page
}

func addEntry(page *ingest.Page, channel ingest.ChannelID, e entry) {
	problem := e.problem
	switch {
	case problem == "" && e.post == nil: // a service or empty message
		return
	case problem == "" && e.date <= 0:
		problem = "it has no date"
	}
	if problem != "" {
		page.Unreadable = append(page.Unreadable, ingest.Unreadable{Message: e.id, Raw: e.raw, Problem: problem})
		return
	}
	page.Posts = append(page.Posts, toPost(channel, e.post, e.raw))
}

func inputPeer(p account.Peer) *tg.InputPeerChannel {
	return &tg.InputPeerChannel{ChannelID: p.Channel, AccessHash: p.AccessHash}
}
