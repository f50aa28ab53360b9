package rpc

import (
	"context"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	parserv1 "github.com/tidemark/tidemark/gen/tidemark/parser/v1"
	kitrpc "github.com/tidemark/tidemark/kit/rpc"
)

// holder is a parser that can read some channels, and says of the rest why not.
type holder struct {
	parserv1.UnimplementedParserServiceServer
	reads  map[int64]bool
	reason string
	asked  int
}

func (h *holder) refuse() error { return kitrpc.Error(codes.FailedPrecondition, h.reason, "not here") }

func (h *holder) ParseChannel(_ context.Context, in *parserv1.ParseChannelRequest) (*parserv1.ParseChannelResponse, error) {
	h.asked++
	if h.reads[in.GetChannelId()] {
		return &parserv1.ParseChannelResponse{TopId: 7}, nil
	}
	return nil, h.refuse()
}

func (h *holder) ResolveChannel(context.Context, *parserv1.ResolveChannelRequest) (*parserv1.ResolveChannelResponse, error) {
	h.asked++
	return nil, h.refuse()
}

func (h *holder) ProbeChannels(_ context.Context, in *parserv1.ProbeChannelsRequest) (*parserv1.ProbeChannelsResponse, error) {
	h.asked++
	out := &parserv1.ProbeChannelsResponse{}
	for _, id := range in.GetChannelIds() {
		p := &parserv1.Probe{ChannelId: id, Outcome: &parserv1.Probe_Failure{Failure: &parserv1.ProbeFailure{Reason: h.reason}}}
		if h.reads[id] {
			p.Outcome = &parserv1.Probe_Answer{Answer: &parserv1.ProbeAnswer{TopId: id}}
		}
		out.Probes = append(out.Probes, p)
	}
	return out, nil
}

// reachable makes a parser reachable by TCP.
func reachable(t *testing.T, s parserv1.ParserServiceServer) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	parserv1.RegisterParserServiceServer(server, s)
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	return l.Addr().String()
}

func forwarder(t *testing.T, local parserv1.ParserServiceServer, holders ...string) *Forwarder {
	t.Helper()
	f := NewForwarder(local, func(context.Context) ([]string, error) { return holders, nil }, func(addr string) (*grpc.ClientConn, error) { return kitrpc.Dial(addr) })
	t.Cleanup(f.Close)
	return f
}

func TestWhoeverHoldsTheAccountAnswers(t *testing.T) {
	t.Parallel()
	local, other := &holder{reason: "ACCOUNT_ELSEWHERE"}, &holder{reads: map[int64]bool{5: true}, reason: "NOT_A_MEMBER"}
	f := forwarder(t, local, "127.0.0.1:1", reachable(t, other)) // the first of them died a moment ago
	got, err := f.ParseChannel(t.Context(), &parserv1.ParseChannelRequest{ChannelId: 5})
	if err != nil || got.GetTopId() != 7 {
		t.Errorf("got %v, %v, want the other's answer", got, err)
	}
	if _, err := f.ParseChannel(t.Context(), &parserv1.ParseChannelRequest{ChannelId: 6}); kitrpc.Reason(err) != "ACCOUNT_ELSEWHERE" {
		t.Errorf("got %v, want our own answer when nobody knows better", err)
	}
}

func TestOnlyWhatCannotBeProbedHereIsProbedElsewhere(t *testing.T) {
	t.Parallel()
	local, other := &holder{reads: map[int64]bool{1: true}, reason: "NOT_A_MEMBER"}, &holder{reads: map[int64]bool{3: true}, reason: "CHANNEL_PRIVATE"}
	f := forwarder(t, local, reachable(t, other))
	got, err := f.ProbeChannels(t.Context(), &parserv1.ProbeChannelsRequest{ChannelIds: []int64{1, 2, 3}})
	if err != nil {
		t.Fatal(err)
	}
	if p := got.GetProbes(); p[0].GetAnswer().GetTopId() != 1 || p[1].GetFailure().GetReason() != "CHANNEL_PRIVATE" || p[2].GetAnswer().GetTopId() != 3 {
		t.Errorf("got %v, want the answers of both, each in its place", got)
	}
}

func TestACallIsForwardedOnce(t *testing.T) {
	t.Parallel()
	lost := &holder{reason: "ACCOUNT_ELSEWHERE"}
	var ring *Forwarder
	behind := &holder{reason: "ACCOUNT_ELSEWHERE"}
	addr := reachable(t, lazily{to: &ring})
	ring = forwarder(t, behind, addr)
	f := forwarder(t, lost, addr)
	if _, err := f.ResolveChannel(t.Context(), &parserv1.ResolveChannelRequest{Ref: "@x"}); kitrpc.Reason(err) != "ACCOUNT_ELSEWHERE" {
		t.Errorf("got %v", err)
	}
	if behind.asked != 1 {
		t.Errorf("the other was asked %d times, want once: it must not forward in turn", behind.asked)
	}
}

// lazily is a forwarder that is made after its address is known.
type lazily struct {
	parserv1.UnimplementedParserServiceServer
	to **Forwarder
}

func (l lazily) ResolveChannel(ctx context.Context, in *parserv1.ResolveChannelRequest) (*parserv1.ResolveChannelResponse, error) {
	return (*l.to).ResolveChannel(ctx, in)
}
