package rpc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// echo is a service that answers as many bytes as it is asked for, and a stream that ends with its caller.
func echo(r grpc.ServiceRegistrar) {
	size := func(_ any, ctx context.Context, decode func(any) error, chain grpc.UnaryServerInterceptor) (any, error) {
		in := &wrapperspb.BytesValue{}
		if err := decode(in); err != nil {
			return nil, err
		}
		return chain(ctx, in, &grpc.UnaryServerInfo{FullMethod: "/c.Echo/Size"}, func(context.Context, any) (any, error) {
			return &wrapperspb.UInt64Value{Value: uint64(len(in.GetValue()))}, nil
		})
	}
	make := func(_ any, ctx context.Context, decode func(any) error, chain grpc.UnaryServerInterceptor) (any, error) {
		in := &wrapperspb.UInt64Value{}
		if err := decode(in); err != nil {
			return nil, err
		}
		return chain(ctx, in, &grpc.UnaryServerInfo{FullMethod: "/c.Echo/Make"}, func(context.Context, any) (any, error) {
			return &wrapperspb.BytesValue{Value: bytes.Repeat([]byte("x"), int(in.GetValue()))}, nil
		})
	}
	wait := func(_ any, stream grpc.ServerStream) error {
		if err := stream.RecvMsg(&wrapperspb.StringValue{}); err != nil {
			return err
		}
		if err := stream.SendMsg(&emptypb.Empty{}); err != nil {
			return err
		}
		<-stream.Context().Done()
		return stream.Context().Err()
	}
	r.RegisterService(&grpc.ServiceDesc{
		ServiceName: "c.Echo", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Size", Handler: size}, {MethodName: "Make", Handler: make}},
		Streams: []grpc.StreamDesc{{StreamName: "Wait", ServerStreams: true, Handler: wait}},
	}, struct{}{})
}

func TestSizeOfRequests(t *testing.T) {
	t.Parallel()
	conn := serve(t, echo)
	send := func(n int) error {
		return conn.Invoke(t.Context(), "/c.Echo/Size", &wrapperspb.BytesValue{Value: make([]byte, n)}, &wrapperspb.UInt64Value{})
	}
	if err := send(MaxMessage - 100); err != nil {
		t.Errorf("just below the limit: %v", err)
	}
	if err := send(MaxMessage + 1); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("just above: %v, want RESOURCE_EXHAUSTED", err)
	}
}

func TestSizeOfAnswers(t *testing.T) {
	t.Parallel()
	conn := serve(t, echo)
	ask := func(n uint64) error {
		return conn.Invoke(t.Context(), "/c.Echo/Make", wrapperspb.UInt64(n), &wrapperspb.BytesValue{}, grpc.MaxCallRecvMsgSize(1<<30))
	}
	if err := ask(MaxAnswer - 100); err != nil {
		t.Errorf("just below the limit: %v", err)
	}
	if err := ask(MaxAnswer + 1); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("just above: %v, want RESOURCE_EXHAUSTED", err)
	}
}

func TestSizeOfMetadata(t *testing.T) {
	t.Parallel()
	conn := serve(t, echo)
	send := func(n int) error {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "x-much", strings.Repeat("x", n))
		return conn.Invoke(ctx, "/c.Echo/Make", wrapperspb.UInt64(1), &wrapperspb.BytesValue{})
	}
	if err := send(maxHeaders / 2); err != nil {
		t.Errorf("half of what is allowed: %v", err)
	}
	if err := send(maxHeaders); err == nil {
		t.Error("more than is allowed: taken")
	}
}

// opened opens a stream and waits until it is served or refused.
func opened(t *testing.T, conn *grpc.ClientConn) error {
	t.Helper()
	stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true}, "/c.Echo/Wait")
	if err != nil {
		return err
	}
	if err := errors.Join(stream.SendMsg(wrapperspb.String("")), stream.CloseSend()); err != nil {
		return err
	}
	return stream.RecvMsg(&emptypb.Empty{})
}

func TestNumberOfStreams(t *testing.T) {
	t.Parallel()
	server, loop := NewServer(ServerOptions{}), NewLoopback()
	echo(server)
	go func() { _ = server.Serve(loop.Listener()) }()
	t.Cleanup(server.Stop)
	dial := func() *grpc.ClientConn {
		conn, err := loop.Dial()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	one, other := dial(), dial()
	for i := range maxStreams {
		if err := opened(t, one); err != nil {
			t.Fatalf("stream %d: %v", i, err)
		}
	}
	err := opened(t, other)
	if wait, ok := RetryAfter(err); status.Code(err) != codes.ResourceExhausted || Reason(err) != "TOO_MANY_STREAMS" || !ok || wait <= 0 {
		t.Errorf("one more, on another connection: %v, want RESOURCE_EXHAUSTED and when to come back", err)
	}
	if err := other.Invoke(t.Context(), "/c.Echo/Make", wrapperspb.UInt64(1), &wrapperspb.BytesValue{}); err != nil {
		t.Errorf("a call beside the streams: %v", err)
	}
	_ = one.Close()
	for err = opened(t, other); Reason(err) == "TOO_MANY_STREAMS"; err = opened(t, other) {
		if t.Context().Err() != nil {
			break
		}
	}
	if err != nil {
		t.Errorf("after the others ended: %v, want room again", err)
	}
}

func TestNumberOfConnections(t *testing.T) {
	t.Parallel()
	inner, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := NewServer(ServerOptions{})
	echo(server)
	go func() { _ = server.Serve(Bounded(inner, 2)) }()
	t.Cleanup(server.Stop)
	call := func() (*grpc.ClientConn, error) {
		conn, err := Dial(inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn, conn.Invoke(t.Context(), "/c.Echo/Make", wrapperspb.UInt64(1), &wrapperspb.BytesValue{})
	}
	first, err := call()
	_, second := call()
	if err != nil || second != nil {
		t.Fatalf("within the limit: %v, %v", err, second)
	}
	if _, err := call(); status.Code(err) != codes.Unavailable {
		t.Errorf("one too many: %v, want UNAVAILABLE", err)
	}
	_ = first.Close()
	for _, err = call(); err != nil && t.Context().Err() == nil; _, err = call() {
		if status.Code(err) != codes.Unavailable {
			t.Fatal(err)
		}
	}
}

// wire is a client that speaks HTTP/2 by hand.
type wire struct {
	*http2.Framer
	conn net.Conn
}

func raw(t *testing.T, loop *Loopback) wire {
	t.Helper()
	conn, err := loop.listener.DialContext(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	w := wire{http2.NewFramer(conn, conn), conn}
	if err := w.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	return w
}

// until reads frames until one satisfies, or the connection ends.
func (w wire) until(is func(http2.Frame) bool) (http2.Frame, error) {
	for {
		f, err := w.ReadFrame()
		if err != nil || is(f) {
			return f, err
		}
	}
}

func goAway(f http2.Frame) bool { _, ok := f.(*http2.GoAwayFrame); return ok }

func TestWhatAConnectionIsTold(t *testing.T) {
	t.Parallel()
	server, loop := NewServer(ServerOptions{}), NewLoopback()
	go func() { _ = server.Serve(loop.Listener()) }()
	t.Cleanup(server.Stop)
	f, err := raw(t, loop).until(func(f http2.Frame) bool { _, ok := f.(*http2.SettingsFrame); return ok })
	if err != nil {
		t.Fatal(err)
	}
	settings := f.(*http2.SettingsFrame)
	for id, want := range map[http2.SettingID]uint32{http2.SettingMaxConcurrentStreams: maxCalls, http2.SettingMaxHeaderListSize: maxHeaders} {
		if got, _ := settings.Value(id); got != want {
			t.Errorf("%s: got %d, want %d", id, got, want)
		}
	}
}

func TestAClientThatPingsTooOftenIsCut(t *testing.T) {
	t.Parallel()
	server, loop := NewServer(ServerOptions{}), NewLoopback()
	go func() { _ = server.Serve(loop.Listener()) }()
	t.Cleanup(server.Stop)
	w := raw(t, loop)
	const pings = 100
	go func() {
		for range pings {
			_ = w.WritePing(false, [8]byte{1})
		}
	}()
	answered := 0
	f, err := w.until(func(f http2.Frame) bool {
		if p, ok := f.(*http2.PingFrame); ok && p.IsAck() {
			answered++
		}
		return goAway(f) || answered == pings
	})
	if away, ok := f.(*http2.GoAwayFrame); err != nil || !ok || away.ErrCode != http2.ErrCodeEnhanceYourCalm {
		t.Errorf("got %v, %v after %d pings were answered, want to be told to calm down", f, err, answered)
	}
}

// after is how long it takes until the server ends a connection on which a client does as do says, in a time of its own.
func after(t *testing.T, do func(*testing.T, *Loopback) net.Conn) (took time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server, loop := NewServer(ServerOptions{}), NewLoopback()
		echo(server)
		served := make(chan error, 1)
		go func() { served <- server.Serve(loop.Listener()) }()
		conn, start := do(t, loop), time.Now()
		_ = conn.SetReadDeadline(time.Now().Add(time.Hour))
		_, err := io.Copy(io.Discard, conn)
		if took = time.Since(start); err != nil && !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("after %s: %v", took, err)
		}
		_ = conn.Close()
		server.Stop()
		if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Error(err)
		}
	})
	return took
}

func TestAClientThatIsDeadIsNoticed(t *testing.T) {
	t.Parallel()
	silent := func(t *testing.T, loop *Loopback) net.Conn { return raw(t, loop).conn }
	if took := after(t, silent); took > pingEvery+pingTimeout+time.Second {
		t.Errorf("its connection was kept for %s, want %s at most", took, pingEvery+pingTimeout)
	}
}

func TestAConnectionThatSaysNothingIsClosed(t *testing.T) {
	t.Parallel()
	mute := func(t *testing.T, loop *Loopback) net.Conn {
		conn, err := loop.listener.DialContext(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	if took := after(t, mute); took > greeting+time.Second {
		t.Errorf("it was kept for %s, want %s at most", took, greeting)
	}
}

// A client that answers pings but asks for nothing.
func TestAnIdleConnectionIsClosed(t *testing.T) {
	t.Parallel()
	idler := func(t *testing.T, loop *Loopback) net.Conn {
		w := raw(t, loop)
		mine, theirs := net.Pipe()
		go func() {
			_, _ = w.until(func(f http2.Frame) bool {
				if p, ok := f.(*http2.PingFrame); ok && !p.IsAck() {
					_ = w.WritePing(true, p.Data)
				}
				return goAway(f)
			})
			_, _ = w.conn.Close(), theirs.Close()
		}()
		return mine
	}
	if took := after(t, idler); took < idle || took > idle+time.Minute {
		t.Errorf("it was kept for %s, want %s", took, idle)
	}
}

func TestWhatCannotBeDecodedIsTheCallersFault(t *testing.T) {
	t.Parallel()
	conn := serve(t, func(r grpc.ServiceRegistrar) {
		echo(r)
		grpc_health_v1.RegisterHealthServer(r, healthFunc{check: func(context.Context) error { return nil }})
	})
	for name, request := range map[string][]byte{
		"no protobuf": {0xff, 0xff, 0xff}, "no UTF-8": {0x0a, 0x01, 0xff}, "cut": {0x0a, 0x05, 'a'}, "our mark": {0xf8, 0xe1, 0x09, 0x01},
	} {
		unary := conn.Invoke(t.Context(), grpc_health_v1.Health_Check_FullMethodName, request, &grpc_health_v1.HealthCheckResponse{}, grpc.ForceCodecV2(bytesCodec{}))
		stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true}, "/c.Echo/Wait", grpc.ForceCodecV2(bytesCodec{}))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = stream.SendMsg(request), stream.CloseSend()
		for kind, err := range map[string]error{"call": unary, "stream": stream.RecvMsg(&emptypb.Empty{})} {
			if status.Code(err) != codes.InvalidArgument || Reason(err) != "MALFORMED_REQUEST" || strings.Contains(err.Error(), "proto:") {
				t.Errorf("%s, %s: got %v, want INVALID_ARGUMENT in our words", name, kind, err)
			}
		}
	}
}

func TestATextWithANULIsRefusedByName(t *testing.T) {
	t.Parallel()
	conn := serve(t, func(r grpc.ServiceRegistrar) {
		grpc_health_v1.RegisterHealthServer(r, healthFunc{check: func(context.Context) error { return nil }})
	})
	_, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "a\x00b"})
	if status.Code(err) != codes.InvalidArgument || Field(err) != "service" {
		t.Errorf("got %v, want INVALID_ARGUMENT naming the field", err)
	}
	if field := Field(ReadPageToken(paged{wrapperspb.String("q"), PageToken(wrapperspb.String("q"), "a\x00b")}, new(string))); field != "page_token" {
		t.Errorf("a forged token with one: complaint about %q", field)
	}
}

// bytesCodec sends requests as they are, and reads no answers.
type bytesCodec struct{}

func (bytesCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}
func (bytesCodec) Unmarshal(mem.BufferSlice, any) error { return nil }
func (bytesCodec) Name() string                         { return "proto" }
