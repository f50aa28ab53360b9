package rpc

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// serve runs a server with our interceptors in memory and dials it.
func serve(t *testing.T, register func(grpc.ServiceRegistrar)) *grpc.ClientConn {
	t.Helper()
	server, loop := NewServer(ServerOptions{}), NewLoopback()
	register(server)
	go func() { _ = server.Serve(loop.Listener()) }()
	t.Cleanup(server.Stop)
	conn, err := loop.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// upload is a client stream of the messages that request makes.
var upload = grpc.StreamDesc{StreamName: "Upload", ClientStreams: true, ServerStreams: true}

func TestStreamsAreCheckedToo(t *testing.T) {
	t.Parallel()
	good, bad := request(t, timestamppb.New(time.Unix(1, 0)), "one"), request(t, &timestamppb.Timestamp{}, "inner")
	received := 0
	desc := upload
	desc.Handler = func(_ any, stream grpc.ServerStream) error {
		for {
			err := stream.RecvMsg(dynamicpb.NewMessage(good.ProtoReflect().Descriptor()))
			if errors.Is(err, io.EOF) {
				return stream.SendMsg(&emptypb.Empty{})
			} else if err != nil {
				return err
			}
			received++
		}
	}
	conn := serve(t, func(r grpc.ServiceRegistrar) {
		r.RegisterService(&grpc.ServiceDesc{ServiceName: "c.Case", HandlerType: (*any)(nil), Streams: []grpc.StreamDesc{desc}}, struct{}{})
	})
	send := func(messages ...proto.Message) error {
		stream, err := conn.NewStream(t.Context(), &upload, "/c.Case/Upload")
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range messages {
			if err := stream.SendMsg(m); err != nil {
				t.Fatal(err)
			}
		}
		_ = stream.CloseSend()
		return stream.RecvMsg(&emptypb.Empty{})
	}
	if err := send(good, good); err != nil || received != 2 {
		t.Fatalf("good instants: %v after %d messages, want both taken", err, received)
	}
	if err := send(good, bad); status.Code(err) != codes.InvalidArgument || Field(err) != "inner.at" || received != 3 {
		t.Errorf("a zero instant: %v after %d messages, want INVALID_ARGUMENT naming inner.at after the first", err, received-2)
	}
}

func TestWhichTypesCanHoldAnInstant(t *testing.T) {
	t.Parallel()
	var checks instants
	for name, tc := range map[string]struct {
		m    proto.Message
		want bool
	}{
		"itself":    {&timestamppb.Timestamp{}, true},
		"recursive": {request(t, nil, "one"), true},
		"without":   {&grpc_health_v1.HealthCheckRequest{}, false},
	} {
		for range 2 { // found, then remembered
			if got := checks.canHold(tc.m.ProtoReflect().Descriptor()); got != tc.want {
				t.Errorf("%s: got %t, want %t", name, got, tc.want)
			}
		}
	}
}

// A request keeps its id from service to service, so that one search finds its whole way through the logs.
func TestRequestIDTravels(t *testing.T) {
	t.Parallel()
	var seen []string
	note := func(ctx context.Context) error { seen = append(seen, RequestID(ctx)); return nil }
	inner := serve(t, func(r grpc.ServiceRegistrar) { grpc_health_v1.RegisterHealthServer(r, healthFunc{check: note}) })
	outer := serve(t, func(r grpc.ServiceRegistrar) {
		grpc_health_v1.RegisterHealthServer(r, healthFunc{check: func(ctx context.Context) error {
			_ = note(ctx)
			_, err := grpc_health_v1.NewHealthClient(inner).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
			return err
		}})
	})
	for name, tc := range map[string]struct {
		given string
		kept  bool
	}{
		"none": {"", false}, "plain": {"req-7.a_B", true}, "forged log line": {"a b=c", false}, "long": {strings.Repeat("x", 65), false},
	} {
		seen = nil
		ctx := t.Context()
		if tc.given != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, requestKey, tc.given)
		}
		if _, err := grpc_health_v1.NewHealthClient(outer).Check(ctx, &grpc_health_v1.HealthCheckRequest{}); err != nil {
			t.Fatal(err)
		}
		if len(seen) != 2 || seen[0] != seen[1] || seen[0] == "" || (seen[0] == tc.given) != tc.kept {
			t.Errorf("%s: got ids %q, want the same in both services, the given one kept: %t", name, seen, tc.kept)
		}
	}
}

func TestTimeAndStamp(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 5, time.FixedZone("east", 3600))
	if got := Time(Stamp(at)); !got.Equal(at) || got.Location() != time.UTC {
		t.Errorf("got %s, want the same instant in UTC", got)
	}
	if Stamp(time.Time{}) != nil || !Time(nil).IsZero() {
		t.Error("absent did not stay absent")
	}
}

func TestDialIsLazyAndSaysWhoIsNotThere(t *testing.T) {
	t.Parallel()
	conn, err := Dial("127.0.0.1:1")
	if err != nil {
		t.Fatalf("got %v, want a connection that is made later", err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}); status.Code(err) != codes.Unavailable {
		t.Errorf("got %v, want UNAVAILABLE at once", err)
	}
}

func TestLoopbackClosed(t *testing.T) {
	t.Parallel()
	loop := NewLoopback()
	if err := loop.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := loop.Listener().Accept(); err == nil {
		t.Error("accepted after Close")
	}
}
