package ingest

import (
	"context"
	"time"
)

// Query asks for posts of one channel. Zero values do not limit.
type Query struct {
	Channel     ChannelID
	Within      Range     // of ids; a zero end is open
	Since       time.Time // published at or after
	Until       time.Time // published before
	Descending  bool
	HideDeleted bool
	After       MessageID // go on behind this one, in the direction asked; 0 starts
	Limit       int
}

// Reader reads what is stored.
type Reader interface {
	// Posts are those of the given ids that are stored, in ascending order; Raw is filled when asked for.
	Posts(ctx context.Context, channel ChannelID, ids []MessageID, raw bool) ([]Post, error)
	// List is a page of posts by id, without Raw.
	List(ctx context.Context, q Query) ([]Post, error)
}
