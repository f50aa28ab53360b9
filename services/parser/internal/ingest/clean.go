package ingest

import (
	"strings"
	"unicode/utf8"
)

// clean takes out of all texts what neither Postgres nor protobuf holds: NUL, and bytes that are no UTF-8. Raw keeps them.
func (p *Post) clean() {
	cleanText(&p.Text, &p.AuthorSignature)
	for i := range p.Entities {
		cleanText(&p.Entities[i].Kind, &p.Entities[i].Value)
	}
	for i := range p.Reactions {
		cleanText(&p.Reactions[i].Emoji, &p.Reactions[i].Other)
	}
	if f := p.Forward; f != nil {
		cleanText(&f.FromName, &f.AuthorSignature)
	}
	if r := p.ReplyTo; r != nil {
		cleanText(&r.Quote)
	}
	if m := p.Media; m != nil {
		kind := string(m.Kind)
		cleanText(&kind, &m.MIMEType, &m.FileName, &m.Title, &m.Performer, &m.URL, &m.Other)
		m.Kind = MediaKind(kind)
	}
}

// What is kept at most of a message that cannot be read, and of why.
const (
	maxRaw     = 1 << 20
	maxProblem = 500
)

func (u *Unreadable) clean() {
	u.Raw = u.Raw[:min(len(u.Raw), maxRaw)]
	if len(u.Problem) > maxProblem {
		u.Problem = strings.ToValidUTF8(u.Problem[:maxProblem], "")
	}
	cleanText(&u.Problem)
}

func cleanText(texts ...*string) {
	for _, s := range texts {
		if strings.IndexByte(*s, 0) < 0 && utf8.ValidString(*s) {
			continue
		}
		*s = strings.ToValidUTF8(strings.ReplaceAll(*s, "\x00", ""), "\uFFFD")
	}
}
