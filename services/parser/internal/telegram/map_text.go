package telegram

import (
	"strings"
	"unicode"

	"github.com/gotd/td/tg"

	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

// entityPrefix starts the TL names of all entities.
const entityPrefix = "messageEntity"

// toEntities leaves out what does not lie within the text: whoever cuts the text by it would fall.
func toEntities(entities []tg.MessageEntityClass, text string) []ingest.Entity {
	if len(entities) == 0 {
		return nil
	}
	length := units(text)
	out := make([]ingest.Entity, 0, len(entities))
	for _, e := range entities {
		if from, n := e.GetOffset(), e.GetLength(); from >= 0 && n > 0 && from+n <= length {
			out = append(out, toEntity(e))
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// units is the length of a text in UTF-16 code units, which is how entities count.
func units(text string) (n int) {
	for _, r := range text {
		n++
		if r >= 0x10000 {
			n++
		}
	}
	return n
}

func toEntity(entity tg.MessageEntityClass) ingest.Entity {
	out := ingest.Entity{Kind: entityKind(entity), Offset: entity.GetOffset(), Length: entity.GetLength()}
	switch e := entity.(type) {
	case *tg.MessageEntityTextURL:
		out.Value = clean(e.URL)
	case *tg.MessageEntityPre:
		out.Value = clean(e.Language)
	case *tg.MessageEntityMentionName:
		out.RefID = e.UserID
	case *tg.MessageEntityCustomEmoji:
		out.RefID = e.DocumentID
	}
	return out
}

// entityKind is the TL name in our spelling; the frequent ones are written out because they are most of what a page holds.
func entityKind(e tg.MessageEntityClass) string {
	switch e.(type) {
	case *tg.MessageEntityBold:
		return "bold"
	case *tg.MessageEntityItalic:
		return "italic"
	case *tg.MessageEntityURL:
		return "url"
	case *tg.MessageEntityTextURL:
		return "text_url"
	case *tg.MessageEntityMention:
		return "mention"
	case *tg.MessageEntityHashtag:
		return "hashtag"
	case *tg.MessageEntityCustomEmoji:
		return "custom_emoji"
	}
	return snake(strings.TrimPrefix(e.TypeName(), entityPrefix))
}

// snake spells "TextUrl" as "text_url".
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) {
			if i > 0 {
				b.WriteByte('_')
			}
			r = unicode.ToLower(r)
		}
		b.WriteRune(r)
	}
	return b.String()
}

func toReactions(m *tg.Message) []ingest.Reaction {
	reactions, ok := m.GetReactions()
	if !ok || len(reactions.Results) == 0 {
		return nil
	}
	out := make([]ingest.Reaction, len(reactions.Results))
	for i, r := range reactions.Results {
		out[i] = toReaction(r)
	}
	return out
}

func toReaction(r tg.ReactionCount) ingest.Reaction {
	out := ingest.Reaction{Count: int32(r.Count)}
	switch kind := r.Reaction.(type) {
	case *tg.ReactionEmoji:
		out.Emoji = clean(kind.Emoticon)
	case *tg.ReactionCustomEmoji:
		out.CustomEmoji = kind.DocumentID
	case *tg.ReactionPaid:
		out.Paid = true
	case nil:
		out.Other = "none"
	default:
		out.Other = kind.TypeName()
	}
	return out
}
