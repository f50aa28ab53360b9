package rpc

import (
	"context"
	"crypto/rand"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// requestKey is the metadata that carries a request's id through all services that work on it.
const requestKey = "x-request-id"

type requestID struct{}

// RequestID is the id of the call that ctx belongs to, or "". It is in every log line of the boundary, and goes along with calls to others.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestID{}).(string)
	return id
}

// withRequestID takes the caller's id, if it can be trusted in a log, else makes one.
func withRequestID(ctx context.Context) context.Context {
	id := rand.Text()[:12]
	if given := metadata.ValueFromIncomingContext(ctx, requestKey); len(given) > 0 && loggable(given[0]) {
		id = given[0]
	}
	return context.WithValue(ctx, requestID{}, id)
}

// plain are the letters of an id that can stand in a log.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

func loggable(id string) bool { return id != "" && len(id) <= 64 && strings.Trim(id, plain) == "" }

func passOn(ctx context.Context) context.Context {
	if id := RequestID(ctx); id != "" {
		return metadata.AppendToOutgoingContext(ctx, requestKey, id)
	}
	return ctx
}

func passRequestID(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	return invoke(passOn(ctx), method, req, reply, cc, opts...)
}

func passRequestIDOfStream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	return open(passOn(ctx), desc, cc, method, opts...)
}

// streamWith is a stream with a context of our own.
type streamWith struct {
	grpc.ServerStream
	ctx context.Context
}

// Context carries the request's id.
func (s streamWith) Context() context.Context { return s.ctx }
