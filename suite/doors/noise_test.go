package doors

import (
	"context"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/tidemark/tidemark/kit/auth"
	"github.com/tidemark/tidemark/kit/rpc"
)

// noiseFor is how long noise is sent; DOORS_NOISE says another.
func noiseFor(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("DOORS_NOISE")
	if text == "" {
		return 5 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// leaked is what a caller must never be told: how we are made, and where.
var leaked = regexp.MustCompile(`SQLSTATE|pgx|pgconn|goroutine|\.go:\d|panic|dial tcp|127\.0\.0\.1:\d|runtime error|WRONGTYPE|proto: |rpcDoRequest|nil pointer`)

// TestNoise calls every method of every service through the TLS port with messages that make sense, half sense and none. Whatever is sent, the caller is at fault
// or is answered: nothing breaks, and nothing of our insides is told.
func TestNoise(t *testing.T) {
	h := build(t)
	h.login()
	ids := h.follow()
	methods := map[string][]protoreflect.MethodDescriptor{}
	for _, addr := range []string{h.parser, h.watermark, h.scheduler} {
		methods[addr] = h.methods(addr)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	ctx, cancel := context.WithTimeout(h.Context(), noiseFor(t))
	defer cancel()
	var callers sync.WaitGroup
	var heard tally
	for i := range uint64(4) {
		for addr := range methods {
			n := noise{rand.New(rand.NewPCG(seed, i)), ids}
			conn := h.dial(addr, "admin", auth.Files{})
			callers.Go(func() { n.call(ctx, h, conn, methods[addr], &heard) })
		}
	}
	callers.Wait()
	heard.report(h)
	if logs := h.log.String(); strings.Contains(logs, "panic: ") {
		h.Error("a handler panicked: see the log")
	}
}

// tally is how often each method answered what.
type tally struct {
	mu   sync.Mutex
	seen map[protoreflect.FullName]map[codes.Code]int
}

func (a *tally) add(m protoreflect.FullName, c codes.Code) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.seen == nil {
		a.seen = map[protoreflect.FullName]map[codes.Code]int{}
	}
	if a.seen[m] == nil {
		a.seen[m] = map[codes.Code]int{}
	}
	a.seen[m][c]++
}

func (a *tally) report(h *house) {
	h.Helper()
	for method, answers := range a.seen {
		h.Logf("%s: %v", method, answers)
	}
	if len(a.seen) < 25 {
		h.Errorf("only %d methods were called", len(a.seen))
	}
}

// methods are what a service serves, without health and reflection.
func (h *house) methods(addr string) (all []protoreflect.MethodDescriptor) {
	h.Helper()
	names, err := h.services(addr, "reader")
	if err != nil {
		h.Fatal(err)
	}
	for _, name := range names {
		if !strings.HasPrefix(name, "tidemark.") {
			continue
		}
		found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
		if err != nil {
			h.Fatal(err)
		}
		for i := range found.(protoreflect.ServiceDescriptor).Methods().Len() {
			all = append(all, found.(protoreflect.ServiceDescriptor).Methods().Get(i))
		}
	}
	return all
}

// noise makes messages up.
type noise struct {
	*rand.Rand
	ids []int64 // that exist
}

func (n noise) call(ctx context.Context, h *house, conn *grpc.ClientConn, methods []protoreflect.MethodDescriptor, heard *tally) {
	for ctx.Err() == nil {
		m := methods[n.IntN(len(methods))]
		request := dynamicpb.NewMessage(m.Input())
		n.fill(request, 4)
		if n.IntN(8) == 0 {
			garbage := make([]byte, n.IntN(60))
			for i := range garbage {
				garbage[i] = byte(n.Uint32())
			}
			request.SetUnknown(garbage) // not even protobuf
		}
		err := n.send(conn, m, request)
		code := status.Code(err)
		heard.add(m.FullName(), code)
		broken := []codes.Code{codes.Internal, codes.Unknown, codes.DataLoss, codes.Unimplemented, codes.Unauthenticated}
		if slices.Contains(broken, code) || rpc.Reason(err) == "SCOPE_TOO_SMALL" {
			h.Errorf("%s: got %v of %v", m.FullName(), err, request)
		}
		if err != nil && leaked.MatchString(status.Convert(err).Message()) {
			h.Errorf("%s: tells of our insides: %v", m.FullName(), err)
		}
	}
}

// send makes a call of its own context: the end of the noise cuts none.
func (n noise) send(conn *grpc.ClientConn, m protoreflect.MethodDescriptor, request proto.Message) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(90+n.IntN(1500))*time.Millisecond)
	defer cancel()
	method := "/" + string(m.Parent().FullName()) + "/" + string(m.Name())
	if !m.IsStreamingServer() {
		return conn.Invoke(ctx, method, request, dynamicpb.NewMessage(m.Output()))
	}
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, method)
	if err != nil {
		return err
	}
	if err := stream.SendMsg(request); err != nil {
		return err
	}
	_ = stream.CloseSend()
	return stream.RecvMsg(dynamicpb.NewMessage(m.Output()))
}

// fill sets some of the fields.
func (n noise) fill(m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		switch {
		case n.IntN(4) == 0, f.Message() != nil && depth == 0:
		case f.IsList():
			for range n.IntN(5) {
				m.Mutable(f).List().Append(n.value(f, m.NewField(f).List().NewElement(), depth))
			}
		case f.IsMap():
		default:
			m.Set(f, n.value(f, m.NewField(f), depth))
		}
	}
}

func (n noise) value(f protoreflect.FieldDescriptor, empty protoreflect.Value, depth int) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.MessageKind:
		n.fill(empty.Message(), depth-1)
		return empty
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(n.IntN(2) == 0)
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(n.text())
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(n.text()))
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(n.IntN(8) - 1))
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(int32(n.number()))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(n.number())
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(uint32(n.number()))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(uint64(n.number()))
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(float32(n.number()))
	default:
		return protoreflect.ValueOfFloat64(float64(n.number()))
	}
}

func (n noise) number() int64 {
	switch n.IntN(6) {
	case 0, 1:
		return n.ids[n.IntN(len(n.ids))]
	case 2:
		return []int64{0, -1, 1, 1 << 31, -1 << 31, 1<<63 - 1, -1 << 63, 253402300800, -62135596801}[n.IntN(9)]
	case 3:
		return int64(n.Uint64())
	}
	return n.Int64N(200)
}

func (n noise) text() string {
	texts := []string{
		"", "@news", "telegram", "parse", "https://t.me/", "@" + strings.Repeat("a", 40), "'; DROP TABLE posts; --", "\x00", "a\x00b", "\u202e\u0000", "%s%n",
		strings.Repeat("x", 5000), "+10000000000", "12345", "🜁", "../../etc/passwd", "channel_id", "interval", "horizon", "ffffffffffffffff", "-1",
	}
	if n.IntN(4) > 0 {
		return texts[n.IntN(len(texts))]
	}
	runes := make([]rune, n.IntN(20))
	for i := range runes {
		runes[i] = rune(n.IntN(0xd7ff))
	}
	return string(runes)
}
