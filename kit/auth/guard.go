package auth

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/tidemark/tidemark/kit/rpc"
)

// Options of a Guard. Without Tokens and Certificates nothing is locked: every call may do everything, and what changes something is still audited.
type Options struct {
	Tokens       *Tokens          // nil: none are taken
	Certificates bool             // callers may show one
	Peers        map[string]Scope // what certificates may do beyond what the contract gives them, by common name
	Audit        *slog.Logger     // nil: nothing is written down
	Now          func() time.Time
}

// Guard stands before every handler of a server.
type Guard struct {
	o     Options
	needs needs
}

// NewGuard makes one.
func NewGuard(o Options) *Guard {
	if o.Audit == nil {
		o.Audit = slog.New(slog.DiscardHandler)
	}
	return &Guard{o: o}
}

func (g *Guard) locked() bool { return g.o.Tokens != nil || g.o.Certificates }

// Unary is the interceptor of calls.
func (g *Guard) Unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (resp any, err error) {
	need := g.needs.of(info.FullMethod)
	if need.Open {
		return handler(ctx, req)
	}
	caller, err := g.admit(ctx)
	if err != nil {
		return nil, err
	}
	ctx = context.WithValue(ctx, callerKey{}, caller)
	seen := record{method: info.FullMethod, caller: caller, request: req, code: codes.Internal} // as it stays when the handler panics
	if !need.Reads {
		defer func() { g.audit(ctx, seen) }()
	}
	if err = caller.may(need); err == nil {
		resp, err = handler(ctx, req)
	}
	seen.response, seen.code = resp, rpc.Code(ctx, err)
	return resp, err
}

// Stream is the interceptor of streams.
func (g *Guard) Stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	need := g.needs.of(info.FullMethod)
	if need.Open {
		return handler(srv, stream)
	}
	caller, err := g.admit(stream.Context())
	if err != nil {
		return err
	}
	ctx := context.WithValue(stream.Context(), callerKey{}, caller)
	guarded := &guardedStream{ServerStream: stream, guard: g, caller: caller, ctx: ctx}
	code := codes.Internal
	if !need.Reads {
		defer func() {
			g.audit(ctx, record{method: info.FullMethod, caller: caller, request: guarded.request(), code: code})
		}()
	}
	if err = caller.may(need); err == nil {
		err = handler(srv, guarded)
	}
	code = rpc.Code(ctx, err)
	return err
}

// admit knows the caller, and lets it in when it does not come too often. What it may do is asked after.
func (g *Guard) admit(ctx context.Context) (Caller, error) {
	caller, err := g.identify(ctx)
	if err != nil || caller.limiter == nil {
		return caller, err
	}
	now := g.o.Now()
	r := caller.limiter.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait == 0 {
		return caller, nil
	}
	r.CancelAt(now)
	perSecond := strconv.FormatFloat(float64(caller.limiter.Limit()), 'g', 4, 64)
	return caller, rpc.Error(codes.ResourceExhausted, "RATE_LIMITED", caller.String()+" may call "+perSecond+
		" times a second: come back later, or give it more with `tidemark tokens create --calls-per-second`", rpc.WithRetry(wait))
}

// guardedStream notices, when something is sent, that its caller's token was revoked or expired since.
type guardedStream struct {
	grpc.ServerStream
	guard  *Guard
	caller Caller
	ctx    context.Context //nolint:containedctx // a stream is its context

	mu    sync.Mutex
	first any
}

// Context knows the caller.
func (s *guardedStream) Context() context.Context { return s.ctx }

// SendMsg sends as long as the caller may listen.
func (s *guardedStream) SendMsg(m any) error {
	if s.caller.Kind == "token" {
		if _, err := s.guard.bySum(s.caller.sum); err != nil {
			return err
		}
	}
	return s.ServerStream.SendMsg(m)
}

// RecvMsg keeps the first message, for the audit.
func (s *guardedStream) RecvMsg(m any) error {
	err := s.ServerStream.RecvMsg(m)
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.first == nil {
			s.first = m
		}
	}
	return err
}

func (s *guardedStream) request() any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.first
}
