package ingest

import "time"

// Post is one message of a channel. Zero values mean "Telegram gave none"; pointers tell absent counters from zero ones.
type Post struct {
	Channel    ChannelID
	Message    MessageID
	Revision   int32     // set by the store, from 1
	PostedAt   time.Time // to the second, UTC
	EditedAt   time.Time // zero when never edited
	DeletedAt  time.Time // zero while it stands
	EditHidden bool

	FirstSeenAt, ChangedAt time.Time // when it was first read, and when what is stored was; set by the store

	Text     string
	Entities []Entity

	AuthorSignature string
	Author          Peer

	Views, Forwards, Replies *int32
	Reactions                []Reaction

	Album   int64     // Telegram's grouped_id, 0 when no part of an album
	Topic   MessageID // of a forum: the message that opened the topic; 0 in "General", and where there are no topics
	Forward *Forward
	ReplyTo *Reply
	Media   *Media

	ViaBot                    int64
	Pinned, Silent, Protected bool
	TTL                       time.Duration

	// Raw is the message's boxed TL as Telegram sent it, so that what is not mapped yet is not lost.
	Raw []byte
}

// PeerKind tells Telegram's id spaces apart.
type PeerKind int8

// The three id spaces; NoPeer is the zero value.
const (
	NoPeer PeerKind = iota
	UserPeer
	GroupPeer
	ChannelPeer
)

// Peer names a user, group or channel by its bare id.
type Peer struct {
	Kind PeerKind `json:"kind,omitempty"`
	ID   int64    `json:"id,omitempty"`
}

// Entity formats a stretch of text; offsets are UTF-16 code units, as Telegram counts.
type Entity struct {
	Kind   string `json:"kind"` // TL name without prefix in snake case: "bold", "text_url", "custom_emoji"
	Offset int    `json:"offset"`
	Length int    `json:"length"`
	Value  string `json:"value,omitempty"`  // URL of a text_url, language of a pre
	RefID  int64  `json:"ref_id,omitempty"` // user of a mention_name, document of a custom_emoji
}

// Reaction is one kind of reaction; exactly one of Emoji, CustomEmoji, Paid, Other is set.
type Reaction struct {
	Emoji       string `json:"emoji,omitempty"`
	CustomEmoji int64  `json:"custom_emoji,omitempty"`
	Paid        bool   `json:"paid,omitempty"`
	Other       string `json:"other,omitempty"`
	Count       int32  `json:"count"`
}

// Forward says where a forwarded post first stood.
type Forward struct {
	From            Peer      `json:"from,omitzero"`
	FromName        string    `json:"from_name,omitempty"`
	Message         MessageID `json:"message,omitempty"`
	PostedAt        time.Time `json:"posted_at,omitzero"`
	AuthorSignature string    `json:"author_signature,omitempty"`
}

// Reply says what a post answers; standing in a forum's topic is none.
type Reply struct {
	Message MessageID `json:"message,omitempty"`
	Peer    Peer      `json:"peer,omitzero"` // zero when the target is in the post's own channel
	Thread  MessageID `json:"thread,omitempty"`
	Quote   string    `json:"quote,omitempty"`
	Story   int       `json:"story,omitempty"` // id of a story of Peer; then Message is 0
}

// MediaKind is what an attachment is, by the names stored and sent.
type MediaKind string

// The kinds this version maps; all else is MediaOther with its TL name in Media.Other.
const (
	MediaOther     MediaKind = "other"
	MediaPhoto     MediaKind = "photo"
	MediaVideo     MediaKind = "video"
	MediaVideoNote MediaKind = "video_note"
	MediaVoice     MediaKind = "voice"
	MediaAudio     MediaKind = "audio"
	MediaAnimation MediaKind = "animation"
	MediaSticker   MediaKind = "sticker"
	MediaDocument  MediaKind = "document"
	MediaWebPage   MediaKind = "web_page"
	MediaPoll      MediaKind = "poll"
	MediaLocation  MediaKind = "location"
	MediaContact   MediaKind = "contact"
)

// Media describes an attachment; bytes are not fetched.
type Media struct {
	Kind      MediaKind     `json:"kind"`
	FileID    int64         `json:"file_id,omitempty"`
	MIMEType  string        `json:"mime_type,omitempty"`
	FileName  string        `json:"file_name,omitempty"`
	Size      int64         `json:"size,omitempty"` // bytes
	Width     int           `json:"width,omitempty"`
	Height    int           `json:"height,omitempty"`
	Duration  time.Duration `json:"duration,omitempty"`
	Title     string        `json:"title,omitempty"`
	Performer string        `json:"performer,omitempty"` // of an audio track
	Location  *Location     `json:"location,omitempty"`
	URL       string        `json:"url,omitempty"`
	Spoiler   bool          `json:"spoiler,omitempty"`
	Other     string        `json:"other,omitempty"`
}

// Location is a place on Earth, in degrees of WGS 84.
type Location struct {
	Latitude  float64 `json:"latitude"`
	Longitude float64 `json:"longitude"`
}
