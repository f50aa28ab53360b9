package main

import (
	"context"
	"strings"

	"google.golang.org/grpc"
)

// house are the ways into a Tidemark: one for all, and perhaps others for single services.
type house []door

// door is one way in. The first has no service: it is for whatever has none of its own.
type door struct {
	service, addr string
	*grpc.ClientConn
}

var _ grpc.ClientConnInterface = house(nil)

// to is the way to a method's service.
func (h house) to(method string) *grpc.ClientConn {
	for _, d := range h[1:] {
		if strings.HasPrefix(method, "/tidemark."+d.service+".") {
			return d.ClientConn
		}
	}
	return h[0].ClientConn
}

// Invoke calls.
func (h house) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	return h.to(method).Invoke(ctx, method, args, reply, opts...)
}

// NewStream calls.
func (h house) NewStream(ctx context.Context, d *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	return h.to(method).NewStream(ctx, d, method, opts...)
}

// String names the addresses.
func (h house) String() string {
	var all []string
	for _, d := range h {
		all = append(all, d.addr)
	}
	return strings.Join(all, " or ")
}

func (h house) close() {
	for _, d := range h {
		_ = d.Close()
	}
}
