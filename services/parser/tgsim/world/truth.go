package world

import (
	"slices"
	"strings"
	"time"

	"github.com/gotd/td/tg"
)

// Truth is a channel as it really is, to compare with what somebody else made of it.
type Truth struct {
	ID       int64  `json:"id"`
	Title    string `json:"title"`
	Username string `json:"username,omitempty"`
	Private  bool   `json:"private"`
	Top      int    `json:"top"`  // the highest id ever given, deleted or not
	Last     int    `json:"last"` // the highest id that exists: as far as a client can see
	Pts      int    `json:"pts"`
	Posts    []Post `json:"posts"` // that exist, by rising id
	Service  []int  `json:"service"`
	Deleted  []int  `json:"deleted"` // every other id up to Top
}

// Post is a post's plain facts.
type Post struct {
	ID      int       `json:"id"`
	Date    time.Time `json:"date"`
	Edited  time.Time `json:"edited,omitzero"` // absent if never
	Text    string    `json:"text"`
	Grouped int64     `json:"grouped,omitempty"`
	Media   string    `json:"media,omitempty"` // the TL name, as messageMediaPhoto
	File    int64     `json:"file,omitempty"`  // id of its photo or document
	Marks   []Mark    `json:"marks,omitempty"` // the entities of its text
	Views   int       `json:"views,omitempty"`
}

// Mark is a formatted stretch of a text, in UTF-16 code units.
type Mark struct {
	Type   string `json:"type"` // the TL name, as messageEntityBold
	Offset int    `json:"offset"`
	Length int    `json:"length"`
}

// Truth is the truth about one channel.
func (w *World) Truth(ref string) (Truth, error) {
	w.mu.RLock()
	c, err := w.find(ref)
	if err != nil {
		w.mu.RUnlock()
		return Truth{}, err
	}
	t := Truth{ID: c.ID, Title: c.Title, Username: c.Username, Private: c.Username == "", Top: c.top, Last: c.last(), Pts: c.pts(),
		Posts: []Post{}, Service: []int{}, Deleted: []int{}}
	messages := slices.Clone(c.messages)
	w.mu.RUnlock()
	err = t.fill(messages)
	return t, err
}

// last is the highest id that exists.
func (c *channel) last() int {
	if len(c.messages) == 0 {
		return 0
	}
	return c.messages[len(c.messages)-1].ID
}

func (t *Truth) fill(messages []*Message) error {
	id := 1
	for _, m := range messages {
		for ; id < m.ID; id++ {
			t.Deleted = append(t.Deleted, id)
		}
		id = m.ID + 1
		if m.Service {
			t.Service = append(t.Service, m.ID)
			continue
		}
		decoded, err := m.Decode()
		if err != nil {
			return err
		}
		t.Posts = append(t.Posts, post(decoded.(*tg.Message)))
	}
	for ; id <= t.Top; id++ {
		t.Deleted = append(t.Deleted, id)
	}
	return nil
}

func post(m *tg.Message) Post {
	p := Post{ID: m.ID, Date: time.Unix(int64(m.Date), 0).UTC(), Text: m.Message, Grouped: m.GroupedID, Views: m.Views}
	if m.EditDate != 0 {
		p.Edited = time.Unix(int64(m.EditDate), 0).UTC()
	}
	if m.Media != nil {
		p.Media = strings.TrimSpace(m.Media.TypeName())
		p.File = fileOf(m.Media)
	}
	for _, e := range m.Entities {
		p.Marks = append(p.Marks, Mark{e.TypeName(), e.GetOffset(), e.GetLength()})
	}
	return p
}

// Summary is a Truth without its lists.
type Summary struct {
	ID       int64  `json:"id"`
	Title    string `json:"title"`
	Username string `json:"username,omitempty"`
	Private  bool   `json:"private"`
	Top      int    `json:"top"`
	Last     int    `json:"last"`
	Pts      int    `json:"pts"`
	Exist    int    `json:"exist"` // posts and service messages
	Posts    int    `json:"posts"`
}

// Summaries are all channels, in order of their making.
func (w *World) Summaries() []Summary {
	w.mu.RLock()
	defer w.mu.RUnlock()
	all := make([]Summary, 0, len(w.channels))
	for _, c := range w.channels {
		s := Summary{ID: c.ID, Title: c.Title, Username: c.Username, Private: c.Username == "", Top: c.top, Last: c.last(), Pts: c.pts(), Exist: len(c.messages)}
		for _, m := range c.messages {
			if !m.Service {
				s.Posts++
			}
		}
		all = append(all, s)
	}
	return all
}

// PostIDs are the ids of the posts that exist, between two ids; far cheaper than the Truth.
func (w *World) PostIDs(ref string, first, last int) ([]int, error) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	c, err := w.find(ref)
	if err != nil {
		return nil, err
	}
	ids := []int{}
	for _, m := range c.messages[c.at(first):] {
		if m.ID > last {
			break
		}
		if !m.Service {
			ids = append(ids, m.ID)
		}
	}
	return ids, nil
}

func fileOf(media tg.MessageMediaClass) int64 {
	switch media := media.(type) {
	case *tg.MessageMediaPhoto:
		if media.Photo != nil {
			return media.Photo.GetID()
		}
	case *tg.MessageMediaDocument:
		if media.Document != nil {
			return media.Document.GetID()
		}
	}
	return 0
}
