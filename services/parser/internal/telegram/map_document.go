package telegram

import (
	"math"
	"time"

	"github.com/gotd/td/tg"

	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

func toDocument(m *tg.MessageMediaDocument) *ingest.Media {
	out := &ingest.Media{Kind: documentKindOf(m), Spoiler: m.Spoiler}
	switch d := m.Document.(type) {
	case *tg.DocumentEmpty:
		out.FileID = d.ID
	case *tg.Document:
		out.FileID, out.MIMEType, out.Size = d.ID, clean(d.MimeType), d.Size
		addAttributes(out, d.Attributes)
	}
	return out
}

// documentKindOf is what the message itself says; it is all there is when the document is gone.
func documentKindOf(m *tg.MessageMediaDocument) ingest.MediaKind {
	switch {
	case m.Round:
		return ingest.MediaVideoNote
	case m.Voice:
		return ingest.MediaVoice
	case m.Video:
		return ingest.MediaVideo
	}
	return ingest.MediaDocument
}

// rank orders the kinds that several attributes of one document can say: a GIF is a video that is animated, a sticker can be both.
func rank(k ingest.MediaKind) int {
	switch k {
	case ingest.MediaSticker:
		return 5
	case ingest.MediaVideoNote, ingest.MediaVoice:
		return 4
	case ingest.MediaAnimation:
		return 3
	case ingest.MediaVideo:
		return 2
	case ingest.MediaAudio:
		return 1
	}
	return 0
}

func addAttributes(out *ingest.Media, attributes []tg.DocumentAttributeClass) {
	is := func(k ingest.MediaKind) {
		if rank(k) > rank(out.Kind) {
			out.Kind = k
		}
	}
	for _, attribute := range attributes {
		switch a := attribute.(type) {
		case *tg.DocumentAttributeImageSize:
			out.Width, out.Height = a.W, a.H
		case *tg.DocumentAttributeFilename:
			out.FileName = clean(a.FileName)
		case *tg.DocumentAttributeAnimated:
			is(ingest.MediaAnimation)
		case *tg.DocumentAttributeSticker, *tg.DocumentAttributeCustomEmoji:
			is(ingest.MediaSticker)
		case *tg.DocumentAttributeVideo:
			is(videoKind(a))
			out.Width, out.Height, out.Duration = a.W, a.H, seconds(a.Duration)
		case *tg.DocumentAttributeAudio:
			is(audioKind(a))
			out.Duration, out.Title, out.Performer = time.Duration(a.Duration)*time.Second, clean(a.Title), clean(a.Performer)
		}
	}
}

func videoKind(a *tg.DocumentAttributeVideo) ingest.MediaKind {
	if a.RoundMessage {
		return ingest.MediaVideoNote
	}
	return ingest.MediaVideo
}

func audioKind(a *tg.DocumentAttributeAudio) ingest.MediaKind {
	if a.Voice {
		return ingest.MediaVoice
	}
	return ingest.MediaAudio
}

// seconds is exact to the millisecond; what is no duration counts as none.
func seconds(s float64) time.Duration {
	if math.IsNaN(s) || s < 0 || s > math.MaxInt32 {
		return 0
	}
	return time.Duration(math.Round(s*1000)) * time.Millisecond
}
