package telegram

import (
	"math"

	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

// window is what one question, or several that join, showed of a channel's list of messages.
//
// All that we believe of a server: an answer of messages.getHistory is a contiguous piece of the channel's list, sorted by id, as it was at
// that moment. Between two neighbours of such a piece there is nothing, and never will be: ids are given out in ascending order,
// so an id below one that exists is used up. Which piece we get is the server's choice within wide limits (core.telegram.org/api/offsets):
//
//   - whether the message with the id offset_id itself is inside or outside,
//   - whether a piece that would start above the newest message is cut or moved down,
//   - how many messages it has: fewer than the limit do not mean that there are no more.
type window struct {
	lowest, highest ingest.MessageID // of all ids answered, service and empty messages too; 0 when there were none
	bottom          bool             // nothing exists below lowest (below the offset asked, when there is none)
}

// maxID is the highest id that Telegram can give out.
const maxID ingest.MessageID = math.MaxInt32

// add widens the window by one id.
func (w *window) add(id ingest.MessageID) {
	if w.highest == 0 {
		w.lowest, w.highest = id, id
		return
	}
	w.lowest, w.highest = min(w.lowest, id), max(w.highest, id)
}

// prove answers which part of within the window proves: each of its ids was seen, or does not exist and never will.
//
// Between lowest and highest that is sure by itself. Downwards we asked for what lies right below within.Last+1, so nothing exists between
// highest and there; whether something will depends on ids having been used up that far, which top tells: the highest id that we ever
// saw to exist. Below lowest nothing is known, unless the server said that there is no more, with an empty answer.
//
// Upwards the question is put so that the answer holds a message at or below within.First if there is any: then the piece joins on to what is
// covered already, however the server counts. If it does not, the caller asks for the gap, downwards. What lies above highest is left to
// the next page, and in the end to one downwards that finds the range above highest empty.
func prove(dir ingest.Direction, within ingest.Range, w window, top ingest.MessageID) ingest.Range {
	first, last := w.lowest, w.highest
	if w.bottom {
		first = 0
	}
	switch {
	case w.highest == 0 && !w.bottom:
		return ingest.Range{}
	case dir == ingest.Down && w.highest == 0:
		last = top
	case dir == ingest.Down && w.lowest <= within.Last:
		last = max(w.highest, top)
	}
	proven := ingest.Range{First: max(first, within.First), Last: min(last, within.Last)}
	if proven.First > proven.Last {
		return ingest.Range{}
	}
	return proven
}
