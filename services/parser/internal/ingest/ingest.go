// Package ingest is the core of the parser: it turns pages of Telegram into stored posts, their events and proved coverage.
//
// A Source answers pages, a Store keeps them. Ingester.Parse walks ranges page by page; each page is committed by itself,
// posts and outbox rows in one transaction, so a read that dies has lost nothing: the next one repeats at most one page, and
// a repeated page stores and emits nothing. What a page proves is its Covered range: every id in it was seen as a post, as a
// service message, or is known not to exist. Coverage is reported only after the page is committed; the mark may lag
// the data, never lead it.
package ingest

import (
	"context"
	"time"
)

// ChannelID is Telegram's bare, positive channel id.
type ChannelID int64

// MessageID is an id within one channel; dense from 1, at most 1<<31-1.
type MessageID int64

// AccountID is Telegram's user id of an account that reads.
type AccountID int64

// Range is a run of message ids, both ends inside.
type Range struct{ First, Last MessageID }

// Channel is what Telegram says of a channel.
type Channel struct {
	ID         ChannelID
	Username   string // without "@", empty when none
	Title      string
	Supergroup bool
	Protected  bool
}

// Probe is a channel's present end, or why it could not be asked.
type Probe struct {
	Channel ChannelID
	Top     MessageID // 0 for an empty channel
	Pts     int       // 0 when unknown
	Err     error     // one of this package's errors
}

// Direction says which way a page is read.
type Direction int

// Up reads from Range.First towards newer messages, Down from Range.Last towards older ones.
const (
	Up Direction = iota
	Down
)

// Page is one answer of a source.
type Page struct {
	// Posts in ascending order of id; service messages and empty ones are not among them.
	Posts []Post
	// Unreadable are messages within the range that our TL layer cannot decode, or that no table takes; they are kept as raw bytes, see Strikes.
	Unreadable []Unreadable
	// Covered is what the answer proves within the range asked; the zero Range when it proves nothing.
	Covered Range
	// Messages counts what was answered within the range, service messages included.
	Messages int
	// Oldest and Newest are the publication instants of the page's ends, zero when the page is empty.
	Oldest, Newest time.Time
	// Top is the highest message id seen in the answer, even beyond the range.
	Top MessageID
	// ReadAt is when the page was asked for; set by the Ingester. It tells older copies from newer ones.
	ReadAt time.Time
	// Again is set by the Ingester when all of the page was read before: then an id that belongs to another message now is no news but ErrRestarted.
	Again bool
}

// Unreadable is a message that could not be decoded or mapped.
type Unreadable struct {
	Message MessageID
	Last    MessageID // when its id cannot be told: the highest that it can have, and Message is the lowest; otherwise 0
	Raw     []byte    // what we have of it, from its own start on; may be cut
	Problem string    // what failed, without any content
}

// IDs are those that it can have.
func (u Unreadable) IDs() Range { return Range{u.Message, max(u.Message, u.Last)} }

// Source reads Telegram. Its errors are this package's: ErrPrivate, ErrUnknown, *FloodError, ErrNoAccount, ErrUnreachable, ...
type Source interface {
	// Resolve turns a reference into a channel; each is asked of Telegram once, ever.
	Resolve(ctx context.Context, ref Ref) (Channel, error)
	// Probe asks for the ends of many channels, one Probe per channel, same order. The error is for all of them.
	Probe(ctx context.Context, channels []ChannelID) ([]Probe, error)
	// Known tells that ids up to top have existed, which the source may not have seen itself: what it does not show of them is gone.
	Known(channel ChannelID, top MessageID)
	// Page reads the next page of within, starting at the end that dir names. What a page proves includes that end, except where ids there are not known to
	// have existed yet, or where a server does not answer what it was asked; within.Last should not be above the channel's top.
	Page(ctx context.Context, channel ChannelID, within Range, dir Direction) (Page, error)
}

// Store keeps posts. Saving a page again stores and emits nothing.
type Store interface {
	// SavePage stores what Decide finds new or changed, marks what is gone, with one outbox row per new revision, and what is unreadable, in one transaction.
	SavePage(ctx context.Context, channel ChannelID, page Page, now time.Time) (Saved, error)
}

// Saved counts what a page brought.
type Saved struct {
	New, Changed, Deleted int
	Quarantined           int     // for the first time
	Struck                []Range // ids of messages that failed for the first time: not covered by the page, to be read once more
}
