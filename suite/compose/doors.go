package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc"

	"github.com/tidemark/tidemark/kit/auth"
	"github.com/tidemark/tidemark/kit/env"
	"github.com/tidemark/tidemark/kit/rpc"
)

// keys are what this program opens the locked doors with: the authority that it believes, and a token of each scope. Empty, where nothing is locked.
type keys struct {
	ca     string // file
	tokens map[auth.Scope]env.Secret
}

// ports are where each service serves gRPC in its container.
var ports = map[string]string{"scheduler": "8010", "parser": "8020", "watermark": "8030"}

// handOut gets them as a user does.
func (s *stack) handOut(ctx context.Context) error {
	authority, err := s.ask(ctx, "run", "--rm", "locks", "ca")
	if err != nil {
		return err
	}
	s.keys = keys{filepath.Join(s.dir, "ca.crt"), map[auth.Scope]env.Secret{}}
	if err := os.WriteFile(s.keys.ca, []byte(authority+"\n"), 0o600); err != nil {
		return err
	}
	for _, scope := range []auth.Scope{auth.Read, auth.Operate, auth.Admin} {
		if s.keys.tokens[scope], err = s.token(ctx, "test-"+scope.String(), scope); err != nil {
			return err
		}
	}
	return nil
}

func (s *stack) token(ctx context.Context, name string, scope auth.Scope) (env.Secret, error) {
	text, err := s.ask(ctx, "run", "--rm", "locks", "tokens", "create", "--name", name, "--scope", scope.String())
	if err == nil && !tokenText.MatchString(text) {
		err = errors.New("tokens create prints something that is no token")
	}
	return env.Secret(text), err
}

// dial connects to a service, as who may read when it asks.
func (s *stack) dial(ctx context.Context, service string) (*grpc.ClientConn, error) {
	return s.dialAs(ctx, service, auth.Files{CA: s.keys.ca}, s.keys.tokens[auth.Read])
}

func (s *stack) dialAs(ctx context.Context, service string, files auth.Files, token env.Secret) (*grpc.ClientConn, error) {
	at, err := s.address(ctx, service, ports[service])
	if err != nil || files.CA == "" {
		return plain(at, err)
	}
	t, err := auth.OpenTLS(files, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		return nil, err
	}
	opts, err := auth.DialOptions(at, t, token, false)
	if err != nil {
		return nil, err
	}
	return rpc.Dial(at, opts...)
}

func plain(at string, err error) (*grpc.ClientConn, error) {
	if err != nil {
		return nil, err
	}
	return rpc.Dial(at)
}

// curl runs grpcurl against a service, with what it should show before the address; the token comes from its environment, as a command line can be seen by others.
func (s *stack) curl(ctx context.Context, service string, show []string, token env.Secret, body, method string) (string, error) {
	at, err := s.address(ctx, service, ports[service])
	if err != nil {
		return "", err
	}
	args := append([]string{"-max-time", "20", "-connect-timeout", "5"}, show...)
	if token != "" {
		args = append(args, "-expand-headers", "-H", "authorization: Bearer ${TOKEN}")
	}
	if body != "" {
		args = append(args, "-d", body)
	}
	cmd := exec.CommandContext(ctx, s.grpcurl, append(args, at, method)...) //nolint:gosec // our own tool
	cmd.Env = append(os.Environ(), "TOKEN="+token.Reveal())
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// shows is what grpcurl shows first: that it speaks in the clear, or whom it believes.
func (s *stack) shows() []string {
	if s.keys.ca == "" {
		return []string{"-plaintext"}
	}
	return []string{"-cacert", s.keys.ca}
}

// cookbook runs docs/grpcurl.md from top to bottom. It leaves nobody logged in, and is the last that a stack is asked.
func (s *stack) cookbook(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "scripts/cookbook.sh")
	cmd.Env = append(os.Environ(), "CA="+s.keys.ca, "TOKEN="+s.keys.tokens[auth.Admin].Reveal())
	for _, name := range []string{"PHONE", "CODE", "PASSWORD"} {
		cmd.Env = append(cmd.Env, name+"="+s.values["DEMO_"+name].Reveal())
	}
	for service, port := range ports {
		at, err := s.address(ctx, service, port)
		if err != nil {
			return err
		}
		cmd.Env = append(cmd.Env, strings.ToUpper(service)+"="+at)
	}
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w: %s", err, said.String())
	}
	return nil
}
