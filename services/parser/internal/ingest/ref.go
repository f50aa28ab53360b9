package ingest

// Ref is a parsed reference to a channel: exactly one of Username and ID is set.
type Ref struct {
	Username string // lower case, without "@"
	ID       ChannelID
}
