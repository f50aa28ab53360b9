package world

import (
	"slices"
	"strings"
)

// View is a channel as one account sees it at one moment.
type View struct {
	Channel
	Hash    int64 // this account's access hash
	Member  bool
	Private bool
	Top     int // the highest id that exists, 0 if none does
	Pts     int
	Count   int // messages that exist, service ones included
	Last    *Message
}

// Query is messages.getHistory's, with the same meaning of every field.
type Query struct{ OffsetID, OffsetDate, AddOffset, Limit, MaxID, MinID int }

// Page is an answer to a Query: newest first.
type Page struct {
	View
	Messages []*Message
	Skipped  int // how many messages are newer than the first of the page
}

// view is c for an account; the caller holds a lock.
func (w *World) view(c *channel, account int64) View {
	v := View{Channel: c.Channel, Hash: w.AccessHash(account, c.ID), Member: c.members[account], Private: c.Username == "",
		Pts: c.pts(), Count: len(c.messages)}
	if n := len(c.messages); n > 0 {
		v.Last = c.messages[n-1]
		v.Top = v.Last.ID
	}
	return v
}

// open is the channel if the account may read it; the caller holds a lock.
func (w *World) open(account, id, hash int64) (*channel, error) {
	c := w.byID[id]
	switch {
	case c == nil || hash != w.AccessHash(account, id):
		return nil, ErrUnknown
	case c.Username == "" && !c.members[account]:
		return nil, ErrPrivate
	}
	return c, nil
}

// Resolve finds a public channel by its username, in any case.
func (w *World) Resolve(account int64, username string) (View, error) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	c := w.byName[strings.ToLower(username)]
	if c == nil {
		return View{}, ErrUnknown
	}
	return w.view(c, account), nil
}

// Open is a channel by id and the account's own access hash.
func (w *World) Open(account, id, hash int64) (View, error) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	c, err := w.open(account, id, hash)
	if err != nil {
		return View{}, err
	}
	return w.view(c, account), nil
}

// Joined are the channels that the account is a member of, the one with the newest message first.
func (w *World) Joined(account int64) (views []View) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	for _, c := range w.channels {
		if c.members[account] {
			views = append(views, w.view(c, account))
		}
	}
	slices.SortStableFunc(views, func(a, b View) int { return b.date() - a.date() })
	return views
}

func (v View) date() int {
	if v.Last == nil {
		return 0
	}
	return v.Last.Date
}

// Origin is what is known about another channel, as for the header of a forward: without an access hash unless it is one of the world's
// public channels.
func (w *World) Origin(account, id int64) (View, bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if c := w.byID[id]; c != nil && c.Username != "" {
		return w.view(c, account), true
	}
	return View{}, false
}

// History answers a Query. The page is cut out of the whole list, newest first, at the place that the offsets say; only then max_id and
// min_id leave messages out, so a page may come out short or empty though older messages remain.
func (w *World) History(account, id, hash int64, q Query) (Page, error) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	c, err := w.open(account, id, hash)
	if err != nil {
		return Page{}, err
	}
	n := len(c.messages)
	below := n // how many messages are older than the offset
	switch {
	case q.OffsetID > 0:
		below = c.at(q.OffsetID)
	case q.OffsetDate > 0:
		below, _ = slices.BinarySearchFunc(c.messages, q.OffsetDate, func(m *Message, date int) int { return m.Date - date })
	}
	newest := min(below-q.AddOffset, n)
	oldest := max(below-q.AddOffset-q.Limit, 0)
	page := Page{View: w.view(c, account), Skipped: max(n-newest, 0)}
	for i := newest - 1; i >= oldest; i-- {
		m := c.messages[i]
		if (q.MaxID == 0 || m.ID < q.MaxID) && m.ID > q.MinID {
			page.Messages = append(page.Messages, m)
		}
	}
	return page, nil
}

// Messages are those of the ids, in their order; nil for one that does not exist.
func (w *World) Messages(account, id, hash int64, ids []int) (Page, error) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	c, err := w.open(account, id, hash)
	if err != nil {
		return Page{}, err
	}
	page := Page{View: w.view(c, account)}
	for _, id := range ids {
		page.Messages = append(page.Messages, c.get(id))
	}
	return page, nil
}
