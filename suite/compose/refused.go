package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/tidemark/tidemark/kit/auth"
	"github.com/tidemark/tidemark/kit/auth/ca"
	"github.com/tidemark/tidemark/kit/env"
)

// refused tries each door with nothing, too little, and what somebody else made.
func (s *stack) refused(ctx context.Context) error {
	forged := filepath.Join(s.dir, "forged")
	stranger, err := strangers(forged)
	if err != nil {
		return err
	}
	known, tls := s.keys.tokens, s.shows()
	for _, c := range []struct {
		who, service string
		show         []string
		token        env.Secret
		body, method string
		want         string
	}{
		{"nobody", "scheduler", tls, "", "{}", "tidemark.scheduler.v1.ChannelService/ListChannels", "Unauthenticated"},
		{"nobody", "parser", tls, "", "{}", "tidemark.parser.v1.AccountService/ListAccounts", "Unauthenticated"},
		{"nobody", "watermark", tls, "", "{}", "tidemark.watermark.v1.WatermarkService/ListWatermarks", "Unauthenticated"},
		{"nobody", "parser", tls, "", "", "list", "Unauthenticated"},
		{"an unknown token", "parser", tls, "tm_" + env.Secret(strings.Repeat("A", 43)), "{}", "tidemark.parser.v1.AccountService/ListAccounts", "Unauthenticated"},
		{"who may read", "scheduler", tls, known[auth.Read], `{"channel_id": 1}`, "tidemark.scheduler.v1.RunService/TriggerRun", "PermissionDenied"},
		{"who may read", "scheduler", tls, known[auth.Read], `{"channel_id": 1}`, "tidemark.scheduler.v1.ChannelService/RemoveChannel", "PermissionDenied"},
		{"who may read", "parser", tls, known[auth.Read], `{"channel_id": 1}`, "tidemark.parser.v1.QuarantineService/RetryQuarantined", "PermissionDenied"},
		{"who may read", "watermark", tls, known[auth.Read], `{"channel_id": 1}`, "tidemark.watermark.v1.WatermarkService/AdvanceWatermark", "PermissionDenied"},
		{"who may operate", "parser", tls, known[auth.Operate], `{"account_id": 1}`, "tidemark.parser.v1.AccountService/LogoutAccount", "PermissionDenied"},
		{"who may operate", "watermark", tls, known[auth.Operate], `{"channel_id": 1}`, "tidemark.watermark.v1.WatermarkService/RewindWatermark", "PermissionDenied"},
		{"who speaks in the clear", "scheduler", []string{"-plaintext"}, "", "", "list", "Failed to dial"},
		{"who speaks in the clear", "parser", []string{"-plaintext"}, known[auth.Admin], "", "list", "Failed to dial"},
		{"who believes others", "watermark", nil, known[auth.Admin], "", "list", "unknown authority"},
		{"a stranger's scheduler", "watermark", append(tls, "-cert", stranger.Cert, "-key", stranger.Key), "", "", "list", "tls: unknown certificate authority"},
		{"a stranger's scheduler with a token", "parser", append(tls, "-cert", stranger.Cert, "-key", stranger.Key), known[auth.Admin], "", "list", "tls: unknown certificate authority"},
	} {
		out, err := s.curl(ctx, c.service, c.show, c.token, c.body, c.method)
		if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || !strings.Contains(out, c.want) {
			return fmt.Errorf("%s calls %s: want it refused with %q, got %w: %s", c.who, c.method, c.want, err, out)
		}
	}
	stranger.CA = s.keys.ca
	return errors.Join(s.strange(ctx, stranger), s.revoked(ctx))
}

// strangers are the certificate and key of a scheduler, by another authority.
func strangers(dir string) (f auth.Files, err error) {
	if _, err = ca.Init(dir, time.Now()); err != nil {
		return f, err
	}
	_, err = ca.Issue(dir, "scheduler", nil, true, time.Now())
	f.Cert, f.Key = ca.Paths(dir, "scheduler")
	return f, err
}

// strange wants UNAVAILABLE of who shows it: the handshake fails, and no call has begun that could have a code of its own. Even health is not told.
func (s *stack) strange(ctx context.Context, shown auth.Files) error {
	for service := range ports {
		conn, err := s.dialAs(ctx, service, shown, s.keys.tokens[auth.Admin])
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		_, err = grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
		if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "tls: unknown certificate authority") {
			return fmt.Errorf("%s, shown a certificate of another authority: want UNAVAILABLE and why, got %w", service, err)
		}
	}
	return nil
}

// revoked takes a token back while the services run: it counts with the next call.
func (s *stack) revoked(ctx context.Context) error {
	token, err := s.token(ctx, "leaver", auth.Read)
	if err != nil {
		return err
	}
	s.keys.tokens[auth.None] = token // to be looked for in the logs, as all of them
	before, err := s.started(ctx)
	if err != nil {
		return err
	}
	for service := range ports {
		if out, err := s.curl(ctx, service, s.shows(), token, "", "list"); err != nil {
			return fmt.Errorf("%s does not take a token that was made while it ran: %w: %s", service, err, out)
		}
	}
	if err := s.compose(ctx, "run", "--rm", "locks", "tokens", "revoke", "leaver"); err != nil {
		return err
	}
	for service := range ports {
		if out, err := s.curl(ctx, service, s.shows(), token, "", "list"); err == nil || !strings.Contains(out, "Unauthenticated") {
			return fmt.Errorf("%s still takes a token that was revoked: %w: %s", service, err, out)
		}
	}
	if after, err := s.started(ctx); err != nil || after != before {
		return fmt.Errorf("the services were restarted meanwhile: %w", err)
	}
	return nil
}

// started is since when each service runs.
func (s *stack) started(ctx context.Context) (string, error) {
	var ids []string
	for _, service := range []string{"scheduler", "parser", "watermark"} {
		of, err := s.containers(ctx, service)
		if err != nil {
			return "", err
		}
		ids = append(ids, of...)
	}
	return s.docker(ctx, append([]string{"inspect", "-f", "{{.State.StartedAt}}"}, ids...)...)
}
