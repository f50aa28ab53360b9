package world

import (
	"fmt"

	"github.com/gotd/td/tg"
)

// post makes up one ordinary message.
func (m *maker) post(id, date int) *tg.Message {
	p := &tg.Message{Post: true, ID: id, PeerID: &tg.PeerChannel{ChannelID: m.channel.ID}, Date: date, Noforwards: m.channel.Protected}
	p.Message, p.Entities = m.text()
	p.Views = 50 + m.IntN(90_000)
	p.Forwards = m.IntN(p.Views / 20)
	p.Silent, p.Pinned = m.one(12), m.one(80)
	if !m.one(3) {
		p.Media = m.media()
	}
	if m.one(2) {
		p.Reactions = m.reactions()
	}
	if m.one(2) {
		p.Replies = tg.MessageReplies{Comments: true, Replies: m.IntN(400), RepliesPts: id * 3, ChannelID: m.channel.ID + 1, MaxID: m.IntN(9000)}
		p.Replies.SetFlags()
	}
	if m.one(3) {
		p.PostAuthor = pick(m, authors)
	}
	m.relate(p)
	return p
}

// relate adds what ties a post to others and to time.
func (m *maker) relate(p *tg.Message) {
	switch m.IntN(12) {
	case 0:
		p.FwdFrom = tg.MessageFwdHeader{FromID: &tg.PeerChannel{ChannelID: pick(m, m.origins)}, ChannelPost: 1 + m.IntN(9000),
			Date: p.Date - m.IntN(86_400), PostAuthor: pick(m, authors)}
	case 1:
		p.FwdFrom = tg.MessageFwdHeader{FromName: pick(m, authors), Date: p.Date - m.IntN(86_400)}
	case 2:
		p.ReplyTo = &tg.MessageReplyHeader{ReplyToMsgID: 1 + m.IntN(max(p.ID-1, 1))}
	case 3:
		p.ViaBotID = 900_000_000 + int64(m.IntN(5))
	}
	switch m.IntN(15) {
	case 0, 1:
		p.EditDate = p.Date + 1 + m.IntN(172_800)
	case 2: // as counters of reactions leave behind
		p.EditDate, p.EditHide = p.Date+1+m.IntN(600), true
	}
	if m.one(60) {
		p.TTLPeriod = 2_678_400
	}
}

func (m *maker) reactions() tg.MessageReactions {
	r := tg.MessageReactions{}
	for i := range 1 + m.IntN(5) {
		r.Results = append(r.Results, tg.ReactionCount{Reaction: &tg.ReactionEmoji{Emoticon: faces[(i*3+m.IntN(3))%len(faces)]}, Count: 1 + m.IntN(3000)})
	}
	if m.one(6) {
		r.Results = append(r.Results, tg.ReactionCount{Reaction: &tg.ReactionCustomEmoji{DocumentID: m.Int64()}, Count: 1 + m.IntN(90)})
	}
	if m.one(10) {
		r.Results = append(r.Results, tg.ReactionCount{Reaction: &tg.ReactionPaid{}, Count: 1 + m.IntN(50)})
	}
	return r
}

// one is true once in n.
func (m *maker) one(n int) bool { return m.IntN(n) == 0 }

func pick[T any](m *maker, from []T) T { return from[m.IntN(len(from))] }

// media is any kind of attachment.
func (m *maker) media() tg.MessageMediaClass {
	switch m.IntN(24) {
	case 0, 1, 2, 3, 4, 5, 6, 7:
		return m.visual()
	case 8, 9, 10, 11, 12, 13:
		return m.link()
	case 14:
		return m.document("video/mp4", &tg.DocumentAttributeVideo{RoundMessage: true, Duration: 12.5, W: 384, H: 384})
	case 15:
		return m.document("audio/ogg", &tg.DocumentAttributeAudio{Voice: true, Duration: 1 + m.IntN(300), Waveform: m.bytes(40)})
	case 16:
		return m.document("audio/mpeg", &tg.DocumentAttributeAudio{Duration: 1 + m.IntN(600), Title: "Prelude", Performer: pick(m, authors)})
	case 17:
		return m.document("application/pdf", &tg.DocumentAttributeFilename{FileName: fmt.Sprintf("отчёт-%d.pdf", m.IntN(100))})
	case 18:
		return m.document("image/webp", &tg.DocumentAttributeSticker{Alt: pick(m, faces), Stickerset: &tg.InputStickerSetEmpty{}},
			&tg.DocumentAttributeImageSize{W: 512, H: 512})
	case 19:
		return m.document("video/mp4", &tg.DocumentAttributeVideo{Nosound: true, Duration: 3, W: 320, H: 240}, &tg.DocumentAttributeAnimated{})
	case 20:
		return m.poll()
	case 21:
		return &tg.MessageMediaGeo{Geo: &tg.GeoPoint{Long: m.Float64() * 180, Lat: m.Float64() * 85, AccessHash: m.Int64()}}
	case 22:
		return &tg.MessageMediaContact{PhoneNumber: "10000000000", FirstName: pick(m, authors)}
	default:
		return &tg.MessageMediaGiveaway{Channels: []int64{m.channel.ID}, Quantity: 10, Months: 3, UntilDate: 1_900_000_000, CountriesISO2: []string{"DE", "FR"}}
	}
}

func (m *maker) visual() tg.MessageMediaClass {
	if m.one(4) {
		return m.document("video/mp4", &tg.DocumentAttributeVideo{SupportsStreaming: true, Duration: m.Float64() * 200, W: 1280, H: 720},
			&tg.DocumentAttributeFilename{FileName: "clip.mp4"})
	}
	media := &tg.MessageMediaPhoto{Spoiler: m.one(9)}
	media.Photo = m.photo()
	return media
}

func (m *maker) photo() *tg.Photo {
	return &tg.Photo{ID: m.Int64(), AccessHash: m.Int64(), FileReference: m.bytes(25), Date: m.date, DCID: 2, Sizes: []tg.PhotoSizeClass{
		&tg.PhotoStrippedSize{Type: "i", Bytes: m.bytes(60)}, &tg.PhotoSize{Type: "m", W: 320, H: 213, Size: 9000 + m.IntN(20_000)},
		&tg.PhotoSizeProgressive{Type: "y", W: 1280, H: 853, Sizes: []int{9000, 21_000, 40_000, 60_000, 90_000 + m.IntN(90_000)}}}}
}

func (m *maker) document(mime string, attributes ...tg.DocumentAttributeClass) *tg.MessageMediaDocument {
	media := &tg.MessageMediaDocument{}
	for _, a := range attributes {
		if v, ok := a.(*tg.DocumentAttributeVideo); ok {
			media.Video, media.Round = !v.RoundMessage, v.RoundMessage
		}
		if v, ok := a.(*tg.DocumentAttributeAudio); ok {
			media.Voice = v.Voice
		}
	}
	media.SetDocument(&tg.Document{ID: m.Int64(), AccessHash: m.Int64(), FileReference: m.bytes(25), Date: m.date, MimeType: mime,
		Size: 1000 + m.Int64N(9_000_000), DCID: 2, Attributes: attributes})
	return media
}

func (m *maker) link() tg.MessageMediaClass {
	page := &tg.WebPage{ID: m.Int64(), URL: "https://example.org/" + pick(m, words), DisplayURL: "example.org", Hash: m.IntN(1 << 30), Type: "article",
		SiteName: "Example", Title: pick(m, m.headings()), Description: pick(m, m.headings())}
	return &tg.MessageMediaWebPage{Webpage: page}
}

func (m *maker) poll() tg.MessageMediaClass {
	media := &tg.MessageMediaPoll{Poll: tg.Poll{ID: m.Int64(), Quiz: m.one(3), Question: tg.TextWithEntities{Text: pick(m, m.headings())}}}
	for i, text := range words[:2+m.IntN(4)] {
		option := []byte{byte('0' + i)}
		media.Poll.Answers = append(media.Poll.Answers, &tg.PollAnswer{Text: tg.TextWithEntities{Text: text}, Option: option})
		media.Results.Results = append(media.Results.Results, tg.PollAnswerVoters{Option: option, Voters: m.IntN(500)})
	}
	media.Results.TotalVoters = 500
	return media
}

func (m *maker) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(m.Uint32())
	}
	return b
}
