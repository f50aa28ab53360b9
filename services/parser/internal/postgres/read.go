package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/tidemark/tidemark/services/parser/internal/ingest"
	"github.com/tidemark/tidemark/services/parser/internal/postgres/db"
)

// Posts are those of the given ids that are stored, in ascending order.
func (s *Posts) Posts(ctx context.Context, channel ingest.ChannelID, messages []ingest.MessageID, raw bool) ([]ingest.Post, error) {
	rows, err := db.New(s.pool).GetPosts(ctx, db.GetPostsParams{ChannelID: int64(channel), MessageIds: ids(messages)})
	if err != nil {
		return nil, failed("read posts", err)
	}
	return toPosts(rows, raw)
}

// List is a page of posts by id.
func (s *Posts) List(ctx context.Context, q ingest.Query) ([]ingest.Post, error) {
	if q.Within.Last == 0 {
		q.Within.Last = ingest.LastID
	}
	switch {
	case q.After == 0:
	case q.Descending:
		q.Within.Last = min(q.Within.Last, q.After-1)
	default:
		q.Within.First = max(q.Within.First, q.After+1)
	}
	p := db.ListPostsParams{
		ChannelID: int64(q.Channel), FirstID: int64(q.Within.First), LastID: int64(q.Within.Last),
		PostedSince: known(q.Since), PostedUntil: known(q.Until), HideDeleted: q.HideDeleted, Most: int32(q.Limit),
	}
	var rows []db.ParserPost
	var err error
	if q.Descending {
		rows, err = db.New(s.pool).ListPostsDescending(ctx, db.ListPostsDescendingParams(p))
	} else {
		rows, err = db.New(s.pool).ListPosts(ctx, p)
	}
	if err != nil {
		return nil, failed("list posts", err)
	}
	return toPosts(rows, false)
}

func toPosts(rows []db.ParserPost, raw bool) ([]ingest.Post, error) {
	posts := make([]ingest.Post, len(rows))
	for i, r := range rows {
		if !raw {
			r.Raw = nil
		}
		var err error
		if posts[i], err = toPost(r); err != nil {
			return nil, fmt.Errorf("read post %d of channel %d: %w", r.MessageID, r.ChannelID, err)
		}
	}
	return posts, nil
}

func toPost(r db.ParserPost) (ingest.Post, error) {
	p := ingest.Post{
		Channel: ingest.ChannelID(r.ChannelID), Message: ingest.MessageID(r.MessageID), Revision: r.Revision,
		PostedAt: r.PostedAt, EditedAt: instant(r.EditedAt), DeletedAt: instant(r.DeletedAt), EditHidden: r.EditHidden,
		FirstSeenAt: r.FirstSeenAt, ChangedAt: r.ChangedAt, Text: r.Text, AuthorSignature: r.AuthorSignature.String,
		Author: ingest.Peer{Kind: ingest.PeerKind(r.AuthorKind.Int16), ID: r.AuthorID.Int64},
		Views:  fromCounter(r.Views), Forwards: fromCounter(r.Forwards), Replies: fromCounter(r.Replies),
		Album: r.AlbumID.Int64, Topic: ingest.MessageID(r.TopicID.Int64), ViaBot: r.ViaBotID.Int64, Pinned: r.Pinned, Silent: r.Silent, Protected: r.Protected,
		TTL: time.Duration(r.TtlSeconds.Int32) * time.Second, Raw: r.Raw,
	}
	return p, errors.Join(fromDocument(r.Entities, &p.Entities), fromDocument(r.Reactions, &p.Reactions), fromDocument(r.Forward, &p.Forward),
		fromDocument(r.ReplyTo, &p.ReplyTo), fromDocument(r.Media, &p.Media))
}

func fromCounter(n pgtype.Int4) *int32 {
	if !n.Valid {
		return nil
	}
	return &n.Int32
}

func fromDocument(b []byte, into any) error {
	if b == nil {
		return nil
	}
	return json.Unmarshal(b, into)
}
