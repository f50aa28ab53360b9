package load

import (
	"errors"
	"strings"
	"unicode/utf16"

	"github.com/gotd/td/tg"

	"github.com/tidemark/tidemark/services/parser/tgsim/world"
)

// desktop reads the result.json of Telegram Desktop. Of dates, only those in unix time are absolute.
func desktop(file object) (world.Channel, []tg.MessageClass, error) {
	c := world.Channel{ID: file.number("id"), Title: file.text("name")}
	var history []tg.MessageClass
	for _, o := range file.objects("messages") {
		peer := &tg.PeerChannel{ChannelID: c.ID}
		if o.text("type") == "service" {
			history = append(history, &tg.MessageService{Post: true, ID: o.int("id"), PeerID: peer, Date: o.int("date_unixtime"),
				Action: exported(o)})
			continue
		}
		m := &tg.Message{Post: true, ID: o.int("id"), PeerID: peer, Date: o.int("date_unixtime"), EditDate: o.int("edited_unixtime"),
			PostAuthor: o.text("author"), Media: attachment(o), Views: 1}
		m.Message, m.Entities = pieces(o["text"])
		if from := o.text("forwarded_from"); from != "" {
			m.FwdFrom = tg.MessageFwdHeader{FromName: from, Date: m.Date}
		}
		if to := o.int("reply_to_message_id"); to > 0 {
			m.ReplyTo = &tg.MessageReplyHeader{ReplyToMsgID: to}
		}
		history = append(history, m)
	}
	return c, history, nil
}

func exported(o object) tg.MessageActionClass {
	o["photo"] = nil // a path here, not an object
	return action(o.text("action"), o)
}

// pieces reads a text that is a string, or an array of strings and marked pieces.
func pieces(v any) (string, []tg.MessageEntityClass) {
	if s, ok := v.(string); ok {
		return s, nil
	}
	var b strings.Builder
	var entities []tg.MessageEntityClass
	at := 0
	list, _ := v.([]any)
	for _, piece := range list {
		s, plain := piece.(string)
		if !plain {
			o, _ := piece.(map[string]any)
			s = object(o).text("text")
			entities = append(entities, entity(object(o).text("type"), at, units(s), o))
		}
		b.WriteString(s)
		at += units(s)
	}
	return b.String(), entities
}

func units(s string) int { return len(utf16.Encode([]rune(s))) }

func attachment(o object) tg.MessageMediaClass {
	w, h := o.int("width"), o.int("height")
	d := &tg.Document{MimeType: o.text("mime_type"), DCID: 1}
	m := &tg.MessageMediaDocument{}
	switch kind := o.text("media_type"); {
	case o.text("photo") != "":
		p := &tg.MessageMediaPhoto{}
		p.SetPhoto(&tg.Photo{ID: o.number("id"), Date: o.int("date_unixtime"), DCID: 1, Sizes: []tg.PhotoSizeClass{&tg.PhotoSize{Type: "x", W: w, H: h}}})
		return p
	case kind == "sticker":
		d.MimeType = "image/webp"
		d.Attributes = []tg.DocumentAttributeClass{&tg.DocumentAttributeSticker{Alt: o.text("sticker_emoji"), Stickerset: &tg.InputStickerSetEmpty{}},
			&tg.DocumentAttributeImageSize{W: w, H: h}}
	case kind == "video_file", kind == "video_message", kind == "animation":
		m.Video, m.Round = kind == "video_file", kind == "video_message"
		d.Attributes = []tg.DocumentAttributeClass{&tg.DocumentAttributeVideo{RoundMessage: m.Round, Duration: o.float("duration_seconds"), W: w, H: h}}
	case kind == "voice_message", kind == "audio_file":
		m.Voice = kind == "voice_message"
		d.Attributes = []tg.DocumentAttributeClass{&tg.DocumentAttributeAudio{Voice: m.Voice, Duration: o.int("duration_seconds")}}
	case o.text("file") == "":
		return nil
	}
	d.ID = o.number("id")
	m.SetDocument(d)
	return m
}

// simple reads {"message_id", "sender_id", "text", "date", "channel"} objects: text only, as somebody's collector left it.
func simple(all []object) (world.Channel, []tg.MessageClass, error) {
	c := world.Channel{Title: all[0].text("channel"), ID: -1_000_000_000_000 - all[0].number("sender_id")}
	if c.ID <= 0 {
		return c, nil, errors.New("sender_id is not a channel's")
	}
	var history []tg.MessageClass
	for _, o := range all {
		history = append(history, &tg.Message{Post: true, ID: o.int("message_id"), PeerID: &tg.PeerChannel{ChannelID: c.ID},
			Date: o.date("date"), Message: o.text("text"), Views: 1})
	}
	return c, history, nil
}
