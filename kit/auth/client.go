package auth

import (
	"context"
	"errors"
	"net"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/tidemark/tidemark/kit/env"
)

// ErrClear is a connection that would be in the clear beyond this machine.
var ErrClear = errors.New("speaks in the clear beyond this machine: name an authority with --tls-ca-file, or allow it with --insecure-plaintext")

// DialOptions are how a client speaks to target: by TLS when t is not nil, with a token when there is one. In the clear it speaks to this machine only, unless
// clear allows more; and a token is never sent in the clear to another machine, whatever clear says.
func DialOptions(target string, t *TLS, token env.Secret, clear bool) ([]grpc.DialOption, error) {
	var opts []grpc.DialOption
	if t != nil {
		opts = append(opts, grpc.WithTransportCredentials(t.Client()))
	} else if !IsLoopback(target) && !clear {
		return nil, ErrClear
	}
	if token == "" {
		return opts, nil
	}
	if t == nil && !IsLoopback(target) {
		return nil, errors.New("a token is never sent in the clear beyond this machine: name an authority with --tls-ca-file")
	}
	return append(opts, grpc.WithPerRPCCredentials(bearer{token, t != nil})), nil
}

// IsLoopback is true of an address "host:port" that never leaves this machine.
func IsLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// bearer sends a token with each call.
type bearer struct {
	token  env.Secret
	secure bool
}

var _ credentials.PerRPCCredentials = bearer{}

// GetRequestMetadata is the token.
func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + b.token.Reveal()}, nil
}

// RequireTransportSecurity lets gRPC refuse, too, what must not happen.
func (b bearer) RequireTransportSecurity() bool { return b.secure }
