package ingest

import (
	"context"
	"slices"
	"time"
)

// Strikes are how often messages failed so far. The first failure may be a fault of ours or of the moment: the message is left out of what a page
// covers, so it is read once more. With the second it is in quarantine: covered, told as an event, and nothing waits for it.
type Strikes map[MessageID]int

// enough strikes make a quarantine.
const enough = 2

// strike judges what could not be read.
func (c *Change) strike(channel ChannelID, unreadable []Unreadable, by map[MessageID]*Known, strikes Strikes, now time.Time) {
	for i, u := range unreadable {
		if slices.ContainsFunc(unreadable[:i], func(o Unreadable) bool { return o.Message == u.Message }) {
			continue
		}
		switch strikes[u.Message] + 1 {
		case enough:
			e := Event{Channel: channel, Message: u.Message, Kind: QuarantinedKind, RecordedAt: now, Problem: u.Problem}
			if k := by[u.Message]; k != nil {
				e.Revision = k.Revision
			}
			c.Events = append(c.Events, e)
			c.Saved.Quarantined++
		case 1:
			c.Saved.Struck = append(c.Saved.Struck, u.IDs())
		}
	}
}

// without is a range without some others.
func (r Range) without(others []Range) []Range {
	var kept []Range
	for _, o := range Normalize(others) {
		if o.Last < r.First || o.First > r.Last {
			continue
		}
		if r.First < o.First {
			kept = append(kept, Range{r.First, o.First - 1})
		}
		r.First = o.Last + 1
	}
	if r.First <= r.Last {
		kept = append(kept, r)
	}
	return kept
}

// Quarantined is a message that failed at least twice.
type Quarantined struct {
	Channel                 ChannelID
	Message                 MessageID
	Last                    MessageID // the highest id that it can have: Message, unless its id cannot be told
	Problem                 string
	Raw                     []byte
	FirstFailed, LastFailed time.Time
	Failures                int
}

// Quarantine shows what is in quarantine.
type Quarantine interface {
	// Quarantined are at most limit messages behind a place, by channel and message; channel 0 is all. Raw is filled when asked for.
	Quarantined(ctx context.Context, channel ChannelID, after Quarantined, limit int, raw bool) ([]Quarantined, error)
}
