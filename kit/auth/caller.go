package auth

import (
	"context"
	"crypto/sha256"
	"net"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/tidemark/tidemark/kit/rpc"
)

// Caller is who calls, as far as the locks can tell.
type Caller struct {
	Kind  string // "token", "certificate", "loopback", "network" (nothing is locked), or "process"
	Name  string // the token's, or the certificate's common name
	Scope Scope

	sum     [sha256.Size]byte // of the token
	limiter *rate.Limiter     // nil: as often as it likes
}

// String is the caller for a log.
func (c Caller) String() string {
	if c.Name == "" {
		return c.Kind
	}
	return c.Kind + " " + c.Name
}

type callerKey struct{}

// CallerOf is who made the call that ctx belongs to; the zero Caller outside of one.
func CallerOf(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

// identify is who calls. A token that is given counts, and must be good, whatever else the caller shows.
func (g *Guard) identify(ctx context.Context) (Caller, error) {
	p, ok := peer.FromContext(ctx)
	switch {
	case ok && inProcess(p.Addr):
		return Caller{Kind: "process", Scope: Admin}, nil
	case !g.locked():
		return Caller{Kind: where(p), Scope: Admin}, nil
	}
	given := metadata.ValueFromIncomingContext(ctx, "authorization")
	if len(given) > 0 {
		return g.byToken(given)
	}
	if name := certificate(p); name != "" {
		return Caller{Kind: "certificate", Name: name, Scope: g.o.Peers[name]}, nil
	}
	return Caller{}, rpc.Error(codes.Unauthenticated, "NO_CREDENTIALS", "this service asks who calls: "+g.ways())
}

func (g *Guard) ways() string {
	switch {
	case g.o.Tokens == nil:
		return "show a client certificate of its authority"
	case !g.o.Certificates:
		return "send a token as metadata `authorization: Bearer tm_...`; `tidemark tokens create` makes one"
	}
	return "send a token as metadata `authorization: Bearer tm_...` (`tidemark tokens create` makes one), or show a client certificate of its authority"
}

func where(p *peer.Peer) string {
	if p != nil {
		if tcp, ok := p.Addr.(*net.TCPAddr); ok && tcp.IP.IsLoopback() {
			return "loopback"
		}
	}
	return "network"
}

func (g *Guard) byToken(given []string) (Caller, error) {
	kind, text, _ := strings.Cut(given[0], " ")
	if len(given) > 1 || !strings.EqualFold(kind, "bearer") || text == "" {
		return Caller{}, rpc.Error(codes.Unauthenticated, "TOKEN_MALFORMED", "the metadata `authorization` must be one value, `Bearer tm_...`")
	}
	if g.o.Tokens == nil {
		return Caller{}, rpc.Error(codes.Unauthenticated, "TOKEN_UNKNOWN", "this service takes no tokens: "+g.ways())
	}
	return g.bySum(sha256.Sum256([]byte(strings.TrimSpace(text))))
}

func (g *Guard) bySum(sum [sha256.Size]byte) (Caller, error) {
	e, ok := g.o.Tokens.bySum(sum)
	if !ok {
		return Caller{}, rpc.Error(codes.Unauthenticated, "TOKEN_UNKNOWN", "this token is not known here, or was revoked: make another with `tidemark tokens create`")
	}
	if e.Expired(g.o.Now()) {
		return Caller{}, rpc.Error(codes.Unauthenticated, "TOKEN_EXPIRED", "token "+e.Name+" expired at "+e.ExpiresAt.UTC().Format(time.RFC3339)+": make another with `tidemark tokens create`")
	}
	return Caller{Kind: "token", Name: e.Name, Scope: e.Scope, sum: sum, limiter: e.limiter}, nil
}

// certificate is the common name of the verified certificate that the caller showed, or "". Other names in it say which hosts it serves on,
// and are no identity.
func certificate(p *peer.Peer) string {
	if p == nil {
		return ""
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.VerifiedChains) == 0 || len(info.State.VerifiedChains[0]) == 0 {
		return ""
	}
	return info.State.VerifiedChains[0][0].Subject.CommonName
}

// may is nil when the caller has what the method needs.
func (c Caller) may(need Need) error {
	if c.Scope >= need.Scope || c.Kind == "certificate" && slices.Contains(need.Services, c.Name) {
		return nil
	}
	say := "this call needs scope " + need.Scope.String() + ", and " + c.String() + " has " + c.Scope.String() + ": "
	if c.Kind == "certificate" {
		say += "use a token that has it, or let the certificate have it with --tls-peers " + c.Name + "=" + need.Scope.String()
	} else {
		say += "use a token that has it; `tidemark tokens create --scope " + need.Scope.String() + "` makes one"
	}
	return rpc.Error(codes.PermissionDenied, "SCOPE_TOO_SMALL", say, rpc.WithMeta("need", need.Scope.String()), rpc.WithMeta("have", c.Scope.String()))
}
