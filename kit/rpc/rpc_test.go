package rpc

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// healthFunc is the smallest gRPC service there is: one handler.
type healthFunc struct {
	grpc_health_v1.UnimplementedHealthServer
	check func(context.Context) error
}

func (h healthFunc) Check(ctx context.Context, _ *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	return &grpc_health_v1.HealthCheckResponse{}, h.check(ctx)
}

// call makes one call through a real server and answers the client's error and what was logged.
func call(t *testing.T, ctx context.Context, handler func(context.Context) error) (error, string) { //nolint:revive,staticcheck // the context is the case, the error what it answers
	t.Helper()
	var log strings.Builder
	server := NewServer(ServerOptions{Log: slog.New(slog.NewTextHandler(&log, nil)), Registry: prometheus.NewRegistry()})
	grpc_health_v1.RegisterHealthServer(server, healthFunc{check: handler})
	loop := NewLoopback()
	served := make(chan error, 1)
	go func() { served <- server.Serve(loop.Listener()) }()
	conn, err := loop.Dial()
	if err != nil {
		t.Fatal(err)
	}
	_, err = grpc_health_v1.NewHealthClient(conn).Check(metadata.AppendToOutgoingContext(ctx, "x-request-id", "abc-1"), &grpc_health_v1.HealthCheckRequest{})
	_ = conn.Close()
	server.GracefulStop()
	if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		t.Fatal(err)
	}
	return err, log.String()
}

func TestWhatCrossesTheWire(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err    error
		code   codes.Code
		reason string
		text   string
		logged string
	}{
		"nothing":            {nil, codes.OK, "", "", ""},
		"a driver's text":    {errors.New("pq: relation of hunter2"), codes.Internal, "INTERNAL", "internal error; see the service's log for request abc-1", "hunter2"},
		"ours, with a cause": {Error(codes.Unavailable, "STORE_UNREACHABLE", "come back", WithCause(errors.New("dial hunter2"))), codes.Unavailable, "STORE_UNREACHABLE", "come back", "hunter2"},
		"ours, wrapped":      {wrap(Error(codes.NotFound, "X", "not here")), codes.NotFound, "X", "not here", ""},
		"another's UNKNOWN":  {status.Error(codes.Unknown, "hunter2"), codes.Internal, "INTERNAL", "internal error; see the service's log for request abc-1", "hunter2"},
		"a field":            {InvalidField("a.b", "is wrong"), codes.InvalidArgument, "INVALID_FIELD", "a.b: is wrong", ""},
		"the deadline's":     {context.DeadlineExceeded, codes.DeadlineExceeded, "DEADLINE_EXCEEDED", "the call ran out of time; it is safe to repeat", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err, log := call(t, t.Context(), func(context.Context) error { return tc.err })
			if s := status.Convert(err); s.Code() != tc.code || s.Message() != tc.text || Reason(err) != tc.reason {
				t.Errorf("got %s %q %q, want %s %q %q", s.Code(), s.Message(), Reason(err), tc.code, tc.text, tc.reason)
			}
			if !strings.Contains(log, tc.logged) {
				t.Errorf("got log %q, want %q in it", log, tc.logged)
			}
		})
	}
}

func wrap(err error) error { return errors.Join(errors.New("while doing this"), err) }

func TestAPanicIsInternalAndLogged(t *testing.T) {
	t.Parallel()
	err, log := call(t, t.Context(), func(context.Context) error { panic("boom") })
	if status.Code(err) != codes.Internal || !strings.Contains(log, "boom") || strings.Contains(err.Error(), "boom") {
		t.Errorf("got %v and log %q, want INTERNAL outside, the panic inside", err, log)
	}
}

func TestDeadlines(t *testing.T) {
	t.Parallel()
	var left time.Duration
	look := func(ctx context.Context) error {
		until, _ := ctx.Deadline()
		left = time.Until(until)
		return nil
	}
	if err, _ := call(t, t.Context(), look); err != nil || left <= 0 || left > defaultDeadline {
		t.Errorf("without a deadline: %v with %s left, want our default", err, left)
	}
	short, cancel := context.WithTimeout(t.Context(), leastTime/2)
	defer cancel()
	if err, _ := call(t, short, look); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("with too little time: %v, want DEADLINE_EXCEEDED at once", err)
	}
}

func TestErrorDetails(t *testing.T) {
	t.Parallel()
	err := Error(codes.ResourceExhausted, "FLOOD_WAIT", "wait", WithRetry(70*time.Second), WithMeta("method", "x"), WithField("f", "d"))
	if wait, ok := RetryAfter(err); !ok || wait != 70*time.Second || Field(err) != "f" || Reason(err) != "FLOOD_WAIT" {
		t.Errorf("got %s %v %q %q", wait, ok, Field(err), Reason(err))
	}
	if _, ok := RetryAfter(errors.New("other")); ok || Reason(nil) != "" {
		t.Error("found details where there are none")
	}
}

func TestInstants(t *testing.T) {
	t.Parallel()
	good := timestamppb.New(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))
	for name, tc := range map[string]struct {
		ts    *timestamppb.Timestamp
		field string
	}{
		"absent":       {nil, ""},
		"real":         {good, ""},
		"epoch":        {&timestamppb.Timestamp{}, "at"},
		"Go's zero":    {timestamppb.New(time.Time{}), "at"},
		"year 10000":   {&timestamppb.Timestamp{Seconds: 253402300800}, "at"},
		"before 0001":  {&timestamppb.Timestamp{Seconds: -62135596801}, "at"},
		"broken nanos": {&timestamppb.Timestamp{Seconds: 1, Nanos: 1e9}, "at"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for path, m := range map[string]proto.Message{"at": request(t, tc.ts, "one"), "inner.at": request(t, tc.ts, "inner"), "list[1].at": request(t, tc.ts, "list")} {
				want := ""
				if tc.field != "" {
					want = path
				}
				if got := Field(new(instants).check(m)); got != want {
					t.Errorf("got complaint about %q, want %q", got, want)
				}
			}
		})
	}
}

// request is a message with an instant at its top, inside another, or in the second of a list.
func request(t testing.TB, ts *timestamppb.Timestamp, where string) proto.Message {
	t.Helper()
	str := func(s string) *string { return &s }
	field := func(name, typ string, n int32, label descriptorpb.FieldDescriptorProto_Label) *descriptorpb.FieldDescriptorProto {
		kind := descriptorpb.FieldDescriptorProto_TYPE_MESSAGE
		return &descriptorpb.FieldDescriptorProto{Name: str(name), Number: &n, Type: &kind, TypeName: str(typ), Label: &label}
	}
	one, many := descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL, descriptorpb.FieldDescriptorProto_LABEL_REPEATED
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: str("case.proto"), Syntax: str("proto3"), Package: str("c"), Dependency: []string{"google/protobuf/timestamp.proto"},
		MessageType: []*descriptorpb.DescriptorProto{{Name: str("M"), Field: []*descriptorpb.FieldDescriptorProto{
			field("at", ".google.protobuf.Timestamp", 1, one), field("inner", ".c.M", 2, one), field("list", ".c.M", 3, many),
		}}},
	}, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	desc := file.Messages().Get(0)
	set := func(m protoreflect.Message) protoreflect.Message {
		if ts != nil {
			m.Set(desc.Fields().ByName("at"), protoreflect.ValueOfMessage(ts.ProtoReflect()))
		}
		return m
	}
	m := dynamicpb.NewMessage(desc)
	switch where {
	case "one":
		set(m)
	case "inner":
		set(m.Mutable(desc.Fields().ByName("inner")).Message())
	case "list":
		list := m.Mutable(desc.Fields().ByName("list")).List()
		list.Append(protoreflect.ValueOfMessage(dynamicpb.NewMessage(desc)))
		list.Append(protoreflect.ValueOfMessage(set(dynamicpb.NewMessage(desc))))
	}
	return m
}
