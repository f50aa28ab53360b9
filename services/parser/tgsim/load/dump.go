package load

import (
	"errors"

	"github.com/gotd/td/tg"

	"github.com/tidemark/tidemark/services/parser/tgsim/world"
)

// dump reads TL objects as JSON, of Telethon's to_dict or raw ones, of any layer since 2017.
func dump(all []object) (world.Channel, []tg.MessageClass, error) {
	var c world.Channel
	var history []tg.MessageClass
	for _, o := range all {
		if c.ID == 0 {
			c.ID = max(o.channelOf("peer_id"), o.channelOf("to_id"))
			of := o.object("channel")
			c.Title, c.Username = of.text("title"), of.text("username")
		}
		switch o.kind() {
		case "message":
			history = append(history, message(o, c.ID))
		case "messageService":
			history = append(history, service(o, c.ID))
		}
	}
	if c.ID == 0 {
		return c, nil, errors.New("no message tells its channel")
	}
	return c, history, nil
}

func message(o object, channel int64) *tg.Message {
	m := &tg.Message{Post: true, Silent: o.is("silent"), EditHide: o.is("edit_hide"), Pinned: o.is("pinned"), Noforwards: o.is("noforwards"),
		ID: o.int("id"), PeerID: &tg.PeerChannel{ChannelID: channel}, Date: o.date("date"), Message: o.text("message"),
		ViaBotID: o.number("via_bot_id"), Views: o.int("views"), Forwards: o.int("forwards"), EditDate: o.date("edit_date"),
		PostAuthor: o.text("post_author"), GroupedID: o.number("grouped_id"), TTLPeriod: o.int("ttl_period")}
	in := o.object("media")
	if m.Media = media(in); m.Message == "" {
		m.Message = in.text("caption") // where captions were before 2019
	}
	if f := o.object("fwd_from"); f != nil {
		m.FwdFrom = forward(f)
	}
	if to := max(o.int("reply_to_msg_id"), o.object("reply_to").int("reply_to_msg_id")); to > 0 {
		m.ReplyTo = &tg.MessageReplyHeader{ReplyToMsgID: to}
	}
	for _, e := range o.objects("entities") {
		m.Entities = append(m.Entities, entity(snake(e.kind(), "messageEntity"), e.int("offset"), e.int("length"), e))
	}
	if r := o.object("replies"); r != nil {
		m.Replies = tg.MessageReplies{Comments: r.is("comments"), Replies: r.int("replies"), RepliesPts: r.int("replies_pts"), ChannelID: r.number("channel_id")}
	}
	return m
}

func forward(f object) tg.MessageFwdHeader {
	h := tg.MessageFwdHeader{FromName: f.text("from_name"), Date: f.date("date"), ChannelPost: f.int("channel_post"), PostAuthor: f.text("post_author")}
	if id := max(f.number("channel_id"), f.channelOf("from_id")); id != 0 {
		h.FromID = &tg.PeerChannel{ChannelID: id}
	}
	return h
}

func service(o object, channel int64) *tg.MessageService {
	m := &tg.MessageService{Post: true, Silent: o.is("silent"), ID: o.int("id"), PeerID: &tg.PeerChannel{ChannelID: channel}, Date: o.date("date")}
	act := o.object("action")
	m.Action = action(snake(act.kind(), "messageAction"), act)
	if to := max(o.int("reply_to_msg_id"), o.object("reply_to").int("reply_to_msg_id")); to > 0 {
		m.ReplyTo = &tg.MessageReplyHeader{ReplyToMsgID: to}
	}
	return m
}

func action(kind string, o object) tg.MessageActionClass {
	switch kind {
	case "channel_create", "create_channel":
		return &tg.MessageActionChannelCreate{Title: o.text("title")}
	case "chat_edit_title", "edit_group_title":
		return &tg.MessageActionChatEditTitle{Title: o.text("title")}
	case "chat_edit_photo", "edit_group_photo":
		return &tg.MessageActionChatEditPhoto{Photo: photo(o.object("photo"))}
	case "pin_message":
		return &tg.MessageActionPinMessage{}
	case "set_messages_ttl":
		return &tg.MessageActionSetMessagesTTL{Period: o.int("period")}
	}
	return &tg.MessageActionCustomAction{Message: kind}
}

// entity makes an entity by its kind, in the words of TL or of Desktop exports.
func entity(kind string, at, n int, o object) tg.MessageEntityClass {
	switch kind {
	case "bold":
		return &tg.MessageEntityBold{Offset: at, Length: n}
	case "italic":
		return &tg.MessageEntityItalic{Offset: at, Length: n}
	case "underline":
		return &tg.MessageEntityUnderline{Offset: at, Length: n}
	case "strike", "strikethrough":
		return &tg.MessageEntityStrike{Offset: at, Length: n}
	case "spoiler":
		return &tg.MessageEntitySpoiler{Offset: at, Length: n}
	case "code":
		return &tg.MessageEntityCode{Offset: at, Length: n}
	case "pre":
		return &tg.MessageEntityPre{Offset: at, Length: n, Language: o.text("language")}
	case "blockquote":
		return &tg.MessageEntityBlockquote{Offset: at, Length: n}
	case "url", "link":
		return &tg.MessageEntityURL{Offset: at, Length: n}
	case "text_url":
		return &tg.MessageEntityTextURL{Offset: at, Length: n, URL: o.text("url")}
	case "text_link":
		return &tg.MessageEntityTextURL{Offset: at, Length: n, URL: o.text("href")}
	case "mention":
		return &tg.MessageEntityMention{Offset: at, Length: n}
	case "hashtag":
		return &tg.MessageEntityHashtag{Offset: at, Length: n}
	case "custom_emoji":
		return &tg.MessageEntityCustomEmoji{Offset: at, Length: n, DocumentID: o.number("document_id")}
	}
	return &tg.MessageEntityUnknown{Offset: at, Length: n}
}
