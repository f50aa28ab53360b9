package rpc

import (
	"context"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	parserv1 "github.com/tidemark/tidemark/gen/tidemark/parser/v1"
	kitrpc "github.com/tidemark/tidemark/kit/rpc"
)

// Forwarder is the ParserService of one of several parsers. An account is one process's at a time, so what this one has no account for is asked of
// those that have; any parser answers for all of them, and whoever calls needs to know one. A call is forwarded once.
type Forwarder struct {
	parserv1.UnimplementedParserServiceServer
	local   parserv1.ParserServiceServer
	holders func(context.Context) ([]string, error)
	dial    func(addr string) (*grpc.ClientConn, error)

	mu    sync.Mutex
	conns map[string]*grpc.ClientConn
}

var _ parserv1.ParserServiceServer = (*Forwarder)(nil)

// NewForwarder forwards to the addresses that holders answers: those of the other processes that hold accounts now.
func NewForwarder(local parserv1.ParserServiceServer, holders func(context.Context) ([]string, error), dial func(string) (*grpc.ClientConn, error)) *Forwarder {
	return &Forwarder{local: local, holders: holders, dial: dial, conns: map[string]*grpc.ClientConn{}}
}

// Close ends the connections to the others.
func (f *Forwarder) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, conn := range f.conns {
		_ = conn.Close()
	}
	clear(f.conns)
}

// ResolveChannel is ParserService's.
func (f *Forwarder) ResolveChannel(ctx context.Context, in *parserv1.ResolveChannelRequest) (*parserv1.ResolveChannelResponse, error) {
	out, err := f.local.ResolveChannel(ctx, in)
	return elsewhere(ctx, f, out, err, func(ctx context.Context, c parserv1.ParserServiceClient) (*parserv1.ResolveChannelResponse, error) {
		return c.ResolveChannel(ctx, in)
	})
}

// ParseChannel is ParserService's.
func (f *Forwarder) ParseChannel(ctx context.Context, in *parserv1.ParseChannelRequest) (*parserv1.ParseChannelResponse, error) {
	out, err := f.local.ParseChannel(ctx, in)
	return elsewhere(ctx, f, out, err, func(ctx context.Context, c parserv1.ParserServiceClient) (*parserv1.ParseChannelResponse, error) {
		return c.ParseChannel(ctx, in)
	})
}

// ProbeChannels is ParserService's; only the channels that none of our accounts can ask about are forwarded.
func (f *Forwarder) ProbeChannels(ctx context.Context, in *parserv1.ProbeChannelsRequest) (*parserv1.ProbeChannelsResponse, error) {
	out, err := f.local.ProbeChannels(ctx, in)
	rest, at := in, []int(nil)
	if err == nil {
		rest = &parserv1.ProbeChannelsRequest{}
		for i, p := range out.GetProbes() {
			if notHere(p.GetFailure().GetReason()) {
				rest.ChannelIds, at = append(rest.ChannelIds, p.GetChannelId()), append(at, i)
			}
		}
		if len(at) == 0 {
			return out, nil
		}
		err = kitrpc.Error(codes.FailedPrecondition, "ACCOUNT_ELSEWHERE", "")
	}
	got, otherErr := elsewhere(ctx, f, nil, err, func(ctx context.Context, c parserv1.ParserServiceClient) (*parserv1.ProbeChannelsResponse, error) {
		return c.ProbeChannels(ctx, rest)
	})
	if out == nil {
		return got, otherErr
	}
	if otherErr == nil && len(got.GetProbes()) == len(at) {
		for i, p := range got.GetProbes() {
			out.Probes[at[i]] = p
		}
	}
	return out, nil
}

// notHere is true for the reasons that another process may not have.
func notHere(reason string) bool {
	switch reason {
	case "NO_ACCOUNT", "ACCOUNT_ELSEWHERE", "NOT_A_MEMBER", "SESSION_GONE", "ACCOUNT_FROZEN", "ACCOUNT_BANNED":
		return true
	}
	return false
}

// forwarded marks calls that are not to be forwarded again.
const forwarded = "tidemark-forwarded"

// elsewhere asks the others when the answer at hand says that they may know better; when none does, it stays.
func elsewhere[T any](ctx context.Context, f *Forwarder, out T, err error, ask func(context.Context, parserv1.ParserServiceClient) (T, error)) (T, error) {
	if err == nil || !notHere(kitrpc.Reason(err)) || len(metadata.ValueFromIncomingContext(ctx, forwarded)) > 0 {
		return out, err
	}
	holders, lookErr := f.holders(ctx)
	if lookErr != nil {
		return out, err
	}
	outward := metadata.AppendToOutgoingContext(ctx, forwarded, "1")
	for _, addr := range holders {
		conn, dialErr := f.conn(addr)
		if dialErr != nil {
			continue
		}
		got, askErr := ask(outward, parserv1.NewParserServiceClient(conn))
		if askErr == nil || !notHere(kitrpc.Reason(askErr)) && status.Code(askErr) != codes.Unavailable {
			return got, askErr
		}
	}
	return out, err
}

// maxConns bounds the connections kept; each restart of another parser may come with a new address.
const maxConns = 32

func (f *Forwarder) conn(addr string) (*grpc.ClientConn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if conn := f.conns[addr]; conn != nil {
		return conn, nil
	}
	conn, err := f.dial(addr)
	if err != nil {
		return nil, err
	}
	for old, other := range f.conns {
		if len(f.conns) < maxConns {
			break
		}
		_ = other.Close()
		delete(f.conns, old)
	}
	f.conns[addr] = conn
	return conn, nil
}
