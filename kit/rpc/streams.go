package rpc

import (
	"fmt"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
)

// streams bounds the open streams of all connections together: each of them costs a goroutine, and some a query now and then.
type streams struct {
	most int64
	open atomic.Int64
}

func (s *streams) stream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	defer s.open.Add(-1)
	if s.open.Add(1) > s.most {
		return Error(codes.ResourceExhausted, "TOO_MANY_STREAMS", fmt.Sprintf("%d streams are open, which is all this service serves: close some, or come back", s.most),
			WithRetry(10*time.Second))
	}
	return handler(srv, stream)
}
