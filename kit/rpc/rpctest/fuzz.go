// Package rpctest throws bytes at services, the way a hostile client would: through a real server with all that stands before the handlers.
package rpctest

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/tidemark/tidemark/kit/rpc"
)

const (
	// patience with a call; one that takes longer is a complaint.
	patience = 10 * time.Second
	// glance is how long a stream is listened to.
	glance = 25 * time.Millisecond
)

// leaks are words of drivers, networks and runtimes, which no caller may read.
var leaks = []string{"SQLSTATE", "pgx", "ERROR:", "dial tcp", "redis:", "goroutine ", "runtime error", "proto:", "0x00", "json:", "strconv."}

// Fuzz is a fuzz target of all methods of the services that register adds: whatever bytes come, every call is answered in time with a status that
// says whose fault it is, in words of ours. A request that has a page token is sent with one that fits it, too, around any cursor.
func Fuzz(f *testing.F, register func(grpc.ServiceRegistrar)) {
	f.Helper()
	log := &logbook{}
	server, loop := rpc.NewServer(rpc.ServerOptions{Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelError}))}), rpc.NewLoopback()
	register(server)
	go func() { _ = server.Serve(loop.Listener()) }()
	f.Cleanup(server.Stop)
	conn, err := loop.Dial()
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = conn.Close() })
	methods := methodsOf(server)
	for i, m := range methods {
		f.Add(uint8(i), []byte{}, "")
		f.Add(uint8(i), []byte{0x0a, 0xff}, `{}`)
		for _, round := range []int64{0, 1, 2, 3} {
			body, err := proto.Marshal(sample(m.Input(), round, 0))
			if err != nil {
				f.Fatal(err)
			}
			f.Add(uint8(i), body, `{"Channel":1,"Stage":"a\u0000"}`)
		}
	}
	f.Fuzz(func(t *testing.T, method uint8, body []byte, cursor string) {
		m := methods[int(method)%len(methods)]
		log.Reset()
		for _, request := range requests(m, body, cursor) {
			answered(t, m, request, call(conn, m, request), log)
		}
	})
}

func answered(t *testing.T, m protoreflect.MethodDescriptor, request []byte, err error, log *logbook) {
	t.Helper()
	s := status.Convert(err)
	switch s.Code() {
	case codes.Unknown, codes.Internal, codes.DataLoss, codes.DeadlineExceeded:
		t.Errorf("%s of %x: %v\n%s", m.FullName(), request, err, log)
	}
	text := s.Message()
	for _, d := range s.Details() {
		if p, ok := d.(proto.Message); ok {
			text += " " + string(must(proto.Marshal(p)))
		}
	}
	for _, word := range leaks {
		if strings.Contains(text, word) && !bytes.Contains(request, []byte(word)) {
			t.Errorf("%s of %x: the caller is told %q", m.FullName(), request, text)
		}
	}
	if strings.Contains(log.String(), "panic: ") {
		t.Errorf("%s of %x:\n%s", m.FullName(), request, log)
	}
}

func must(b []byte, _ error) []byte { return b }

// methodsOf are the methods of the server that are described by a contract of ours, by name.
func methodsOf(server *grpc.Server) (methods []protoreflect.MethodDescriptor) {
	for _, service := range slices.Sorted(maps.Keys(server.GetServiceInfo())) {
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
		if err != nil {
			panic(err) // generated code registers itself
		}
		all := d.(protoreflect.ServiceDescriptor).Methods()
		for i := range all.Len() {
			methods = append(methods, all.Get(i))
		}
	}
	return methods
}

// requests are body as it is, and, where it is a request that pages, with a token of ours around cursor.
func requests(m protoreflect.MethodDescriptor, body []byte, cursor string) [][]byte {
	all := [][]byte{body}
	token := m.Input().Fields().ByName("page_token")
	in := dynamicpb.NewMessage(m.Input())
	if token == nil || !json.Valid([]byte(cursor)) || proto.Unmarshal(body, in) != nil {
		return all
	}
	in.Set(token, protoreflect.ValueOfString(rpc.PageToken(in, json.RawMessage(cursor))))
	if paged, err := proto.Marshal(in); err == nil {
		all = append(all, paged)
	}
	return all
}

// call is how the method answers; a stream that goes on is one that is fine.
func call(conn *grpc.ClientConn, m protoreflect.MethodDescriptor, request []byte) error {
	name := "/" + string(m.Parent().FullName()) + "/" + string(m.Name())
	if !m.IsStreamingServer() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		return conn.Invoke(ctx, name, request, nil, grpc.ForceCodecV2(rawCodec{}))
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, name, grpc.ForceCodecV2(rawCodec{}))
	if err != nil {
		return err
	}
	defer time.AfterFunc(glance, cancel).Stop()
	_, _ = stream.SendMsg(request), stream.CloseSend()
	return stream.RecvMsg(nil)
}

// rawCodec sends bytes as they are, and reads no answers.
type rawCodec struct{}

// Marshal passes bytes on.
func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}

// Unmarshal forgets.
func (rawCodec) Unmarshal(mem.BufferSlice, any) error { return nil }

// Name is protobuf's.
func (rawCodec) Name() string { return "proto" }

// logbook keeps what the server logged.
type logbook struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write adds a line.
func (l *logbook) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

// Reset forgets.
func (l *logbook) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Reset()
}

// String is all of it.
func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
