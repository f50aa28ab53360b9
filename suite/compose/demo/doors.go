package main

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"

	"github.com/tidemark/tidemark/kit/auth"
	"github.com/tidemark/tidemark/kit/env"
	"github.com/tidemark/tidemark/kit/rpc"
)

// doors are how the services are called: in the clear, or as deploy/compose/locked.yaml says.
type doors struct {
	TLSCAFile string `name:"tls-ca-file" help:"Speak TLS, and believe this authority (PEM)." placeholder:"FILE"`
	TokenFile string `help:"File that holds the bearer token." placeholder:"FILE"`
}

func (d doors) dial(addr string) (*grpc.ClientConn, error) {
	if d.TLSCAFile == "" {
		return rpc.Dial(addr)
	}
	t, err := auth.OpenTLS(auth.Files{CA: d.TLSCAFile}, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		return nil, err
	}
	token, err := os.ReadFile(d.TokenFile)
	if err != nil {
		return nil, fmt.Errorf("--token-file: %w", err)
	}
	opts, err := auth.DialOptions(addr, t, env.Secret(strings.TrimSpace(string(token))), false)
	if err != nil {
		return nil, err
	}
	return rpc.Dial(addr, opts...)
}
