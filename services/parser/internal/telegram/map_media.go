package telegram

import (
	"math"
	"strings"

	"github.com/gotd/td/tg"

	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

// toMedia describes an attachment; what we have no kind for is MediaOther with its TL name.
func toMedia(media tg.MessageMediaClass) *ingest.Media {
	switch m := media.(type) {
	case nil, *tg.MessageMediaEmpty:
		return nil
	case *tg.MessageMediaPhoto:
		return toPhoto(m)
	case *tg.MessageMediaDocument:
		return toDocument(m)
	case *tg.MessageMediaWebPage:
		return toWebPage(m.Webpage)
	case *tg.MessageMediaPoll:
		return &ingest.Media{Kind: ingest.MediaPoll, Title: clean(m.Poll.Question.Text)}
	case *tg.MessageMediaGeo:
		return &ingest.Media{Kind: ingest.MediaLocation, Location: toLocation(m.Geo)}
	case *tg.MessageMediaGeoLive:
		return &ingest.Media{Kind: ingest.MediaLocation, Location: toLocation(m.Geo)}
	case *tg.MessageMediaVenue:
		return &ingest.Media{Kind: ingest.MediaLocation, Title: clean(m.Title), Location: toLocation(m.Geo)}
	case *tg.MessageMediaContact:
		return &ingest.Media{Kind: ingest.MediaContact, Title: clean(strings.TrimSpace(m.FirstName + " " + m.LastName))}
	}
	return &ingest.Media{Kind: ingest.MediaOther, Other: media.TypeName()}
}

func toPhoto(m *tg.MessageMediaPhoto) *ingest.Media {
	out := &ingest.Media{Kind: ingest.MediaPhoto, Spoiler: m.Spoiler}
	switch p := m.Photo.(type) {
	case *tg.PhotoEmpty:
		out.FileID = p.ID
	case *tg.Photo:
		out.FileID = p.ID
		for _, s := range p.Sizes {
			if w, h, bytes := photoSize(s); w*h >= out.Width*out.Height && w > 0 {
				out.Width, out.Height, out.Size = w, h, int64(bytes)
			}
		}
	}
	return out
}

func photoSize(size tg.PhotoSizeClass) (w, h, bytes int) {
	switch s := size.(type) {
	case *tg.PhotoSize:
		return s.W, s.H, s.Size
	case *tg.PhotoCachedSize:
		return s.W, s.H, len(s.Bytes)
	case *tg.PhotoSizeProgressive:
		for _, n := range s.Sizes {
			bytes = max(bytes, n)
		}
		return s.W, s.H, bytes
	}
	return 0, 0, 0
}

func toWebPage(page tg.WebPageClass) *ingest.Media {
	out := &ingest.Media{Kind: ingest.MediaWebPage}
	switch p := page.(type) {
	case *tg.WebPage:
		out.URL, out.Title = clean(p.URL), clean(p.Title)
		if out.Title == "" {
			out.Title = clean(p.SiteName)
		}
	case *tg.WebPagePending:
		out.URL = clean(p.URL)
	case *tg.WebPageEmpty:
		out.URL = clean(p.URL)
	}
	return out
}

// toLocation is nil when Telegram hides the place, or says one that is none.
func toLocation(point tg.GeoPointClass) *ingest.Location {
	p, ok := point.(*tg.GeoPoint)
	if !ok || !(math.Abs(p.Lat) <= 90 && math.Abs(p.Long) <= 180) { // so that NaN is none, which JSON could not hold
		return nil
	}
	return &ingest.Location{Latitude: p.Lat, Longitude: p.Long}
}
