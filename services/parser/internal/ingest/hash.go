package ingest

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"time"
)

// Hash tells contents apart.
type Hash [16]byte

func hashOf(b []byte) (h Hash) {
	sum := sha256.Sum256(b)
	copy(h[:], sum[:])
	return h
}

// appendContent appends what makes a new revision when it changes. The instant of an edit counts unless Telegram hides the edit: reactions and
// markup arrive as hidden edits. The order of fields is part of what is stored: a change here makes every stored post look edited.
func (p *Post) appendContent(b []byte) []byte {
	b = appendText(b, p.Text)
	b = appendInt(b, int64(len(p.Entities)))
	for _, e := range p.Entities {
		b = appendText(b, e.Kind)
		b = appendInt(b, int64(e.Offset), int64(e.Length), e.RefID)
		b = appendText(b, e.Value)
	}
	if !p.EditHidden {
		b = appendTime(b, p.EditedAt)
	} else {
		b = appendInt(b, 0)
	}
	b = appendTime(b, p.PostedAt)
	b = appendText(b, p.AuthorSignature)
	b = appendInt(b, int64(p.Author.Kind), p.Author.ID, p.Album, p.ViaBot, int64(p.TTL), int64(p.flags()))
	b = p.Forward.append(b)
	b = p.ReplyTo.append(b)
	b = appendInt(b, int64(p.Topic))
	return p.Media.append(b)
}

// appendCounters appends what is stored, but makes no revision.
func (p *Post) appendCounters(b []byte) []byte {
	for _, n := range []*int32{p.Views, p.Forwards, p.Replies} {
		if n == nil {
			b = appendInt(b, -1)
		} else {
			b = appendInt(b, int64(*n))
		}
	}
	for _, r := range p.Reactions {
		b = appendText(appendText(b, r.Emoji), r.Other)
		b = appendInt(b, r.CustomEmoji, truth(r.Paid), int64(r.Count))
	}
	return appendInt(appendTime(b, p.EditedAt), truth(p.EditHidden))
}

func (p *Post) flags() int32 {
	return int32(truth(p.Pinned) | truth(p.Silent)<<1 | truth(p.Protected)<<2)
}

func (f *Forward) append(b []byte) []byte {
	if f == nil {
		return append(b, 0)
	}
	b = appendInt(append(b, 1), int64(f.From.Kind), f.From.ID, int64(f.Message))
	return appendText(appendText(appendTime(b, f.PostedAt), f.FromName), f.AuthorSignature)
}

func (r *Reply) append(b []byte) []byte {
	if r == nil {
		return append(b, 0)
	}
	b = appendInt(append(b, 1), int64(r.Message), int64(r.Peer.Kind), r.Peer.ID, int64(r.Thread), int64(r.Story))
	return appendText(b, r.Quote)
}

func (m *Media) append(b []byte) []byte {
	if m == nil {
		return append(b, 0)
	}
	b = appendInt(append(b, 1), m.FileID, m.Size, int64(m.Width), int64(m.Height), int64(m.Duration), truth(m.Spoiler))
	for _, s := range [...]string{string(m.Kind), m.MIMEType, m.FileName, m.Title, m.Performer, m.URL, m.Other} {
		b = appendText(b, s)
	}
	return m.Location.append(b)
}

func (l *Location) append(b []byte) []byte {
	if l == nil {
		return append(b, 0)
	}
	return appendInt(append(b, 1), int64(math.Float64bits(l.Latitude)), int64(math.Float64bits(l.Longitude)))
}

func appendText(b []byte, s string) []byte { return append(appendInt(b, int64(len(s))), s...) }

func appendInt(b []byte, numbers ...int64) []byte {
	for _, n := range numbers {
		b = binary.LittleEndian.AppendUint64(b, uint64(n))
	}
	return b
}

func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return appendInt(b, 0)
	}
	return appendInt(b, t.Unix())
}

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
