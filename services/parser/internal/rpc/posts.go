package rpc

import (
	"context"
	"fmt"

	"google.golang.org/grpc/codes"

	parserv1 "github.com/tidemark/tidemark/gen/tidemark/parser/v1"
	typev1 "github.com/tidemark/tidemark/gen/tidemark/type/v1"
	kitrpc "github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/services/parser/internal/ingest"
	"github.com/tidemark/tidemark/services/parser/internal/wire"
)

// PostServer is tidemark.parser.v1.PostService.
type PostServer struct {
	parserv1.UnimplementedPostServiceServer
	posts ingest.Reader
}

var _ parserv1.PostServiceServer = (*PostServer)(nil)

// NewPostServer answers what is stored.
func NewPostServer(posts ingest.Reader) *PostServer { return &PostServer{posts: posts} }

// GetPost is one post.
func (s *PostServer) GetPost(ctx context.Context, in *parserv1.GetPostRequest) (*parserv1.GetPostResponse, error) {
	channel, err := toChannelID("channel_id", in.GetChannelId())
	if err != nil {
		return nil, err
	}
	message, err := toMessageID("message_id", in.GetMessageId())
	if err != nil {
		return nil, err
	}
	found, err := s.posts.Posts(ctx, channel, []ingest.MessageID{message}, in.GetWithRaw())
	if err != nil {
		return nil, toStatus(err)
	}
	if len(found) == 0 {
		return nil, kitrpc.Error(codes.NotFound, "POST_NOT_FOUND",
			fmt.Sprintf("no post %d of channel %d is stored: there is none, it is a service message, or it was not read yet", message, channel))
	}
	return &parserv1.GetPostResponse{Post: wire.Post(&found[0]), Raw: found[0].Raw}, nil
}

// BatchGetPosts are several posts of a channel, in the order asked.
func (s *PostServer) BatchGetPosts(ctx context.Context, in *parserv1.BatchGetPostsRequest) (*parserv1.BatchGetPostsResponse, error) {
	channel, err := toChannelID("channel_id", in.GetChannelId())
	if err != nil {
		return nil, err
	}
	if n := len(in.GetMessageIds()); n > maxMessages {
		return nil, kitrpc.InvalidField("message_ids", fmt.Sprintf("%d ids: at most %d", n, maxMessages))
	}
	messages := make([]ingest.MessageID, len(in.GetMessageIds()))
	for i, id := range in.GetMessageIds() {
		if messages[i], err = toMessageID(fmt.Sprintf("message_ids[%d]", i), id); err != nil {
			return nil, err
		}
	}
	found, err := s.posts.Posts(ctx, channel, messages, false)
	if err != nil {
		return nil, toStatus(err)
	}
	by := make(map[ingest.MessageID]*typev1.Post, len(found))
	for i := range found {
		by[found[i].Message] = wire.Post(&found[i])
	}
	out := &parserv1.BatchGetPostsResponse{}
	for _, m := range messages {
		if p := by[m]; p != nil {
			out.Posts = append(out.Posts, p)
		}
	}
	return out, nil
}

// ListPosts is a page of a channel's posts.
func (s *PostServer) ListPosts(ctx context.Context, in *parserv1.ListPostsRequest) (*parserv1.ListPostsResponse, error) {
	query, err := toQuery(in)
	if err != nil {
		return nil, err
	}
	size := query.Limit
	query.Limit++ // one more tells whether there are more
	found, err := s.posts.List(ctx, query)
	if err != nil {
		return nil, toStatus(err)
	}
	out := &parserv1.ListPostsResponse{}
	for i := range found[:min(size, len(found))] {
		out.Posts = append(out.Posts, wire.Post(&found[i]))
	}
	if len(found) > size {
		out.NextPageToken = kitrpc.PageToken(in, found[size-1].Message)
	}
	return out, nil
}
