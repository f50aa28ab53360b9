package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

var (
	// tokenText is what a bearer token looks like.
	tokenText = regexp.MustCompile(`^tm_[A-Za-z0-9_-]{43}$`)
	// anyToken is one wherever it is.
	anyToken = regexp.MustCompile(`tm_[A-Za-z0-9_-]{43}`)
	// keyLine is a line of a key in PEM, and says something about it.
	keyLine = regexp.MustCompile(`(?m)^[A-Za-z0-9+/=]{20,}$`)
)

// discreet looks for every secret of this run in every log.
func (s *stack) discreet(ctx context.Context) error {
	logs, err := s.ask(ctx, "logs", "--no-color", "--no-log-prefix")
	if err != nil {
		return err
	}
	if len(logs) < 1000 {
		return fmt.Errorf("the logs have %d bytes: there is nothing to look at", len(logs))
	}
	if strings.Contains(logs, "== CRITICAL ==") {
		return errors.New("Redis dropped what it had written, and says so in its log")
	}
	if strings.Contains(logs, "PRIVATE KEY") || anyToken.MatchString(logs) {
		return errors.New("a private key or a token is in a log")
	}
	secrets := s.secrets()
	if err := s.made(ctx, secrets); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		if strings.Contains(logs, secrets[name]) {
			return fmt.Errorf("the value of %s is in a log", name)
		}
	}
	if want := 12; len(secrets) < want {
		return fmt.Errorf("only %d secrets are known, want %d", len(secrets), want)
	}
	s.say("    %d secrets looked for in %d lines of log", len(secrets), strings.Count(logs, "\n")+1)
	return nil
}

// secrets are what the .env holds, and the tokens that were handed out.
func (s *stack) secrets() map[string]string {
	all := map[string]string{}
	for name, secret := range s.values {
		value := strings.TrimPrefix(secret.Reveal(), "+")
		if value != "" && (strings.Contains(name, "PASSWORD") || name == "TIDEMARK_SESSION_KEY" || name == "DEMO_PHONE" || name == "DEMO_CODE") {
			all[name] = value
		}
	}
	for scope, token := range s.keys.tokens {
		all["a token of scope "+scope.String()] = token.Reveal()
	}
	return all
}

// made adds what was made on the volumes of the locks, out of the containers that see it.
func (s *stack) made(ctx context.Context, secrets map[string]string) error {
	if s.keys.ca == "" {
		return nil
	}
	for service, path := range map[string]string{
		"locks": "ca/ca.key", "scheduler": "scheduler/scheduler.key", "parser": "parser/parser.key", "watermark": "watermark/watermark.key", "demo-setup": "demo/token",
	} {
		ids, err := s.containers(ctx, service)
		if err != nil || len(ids) == 0 {
			return errors.Join(err, fmt.Errorf("no container of %s", service))
		}
		tar, err := s.docker(ctx, "cp", ids[0]+":/locks/"+path, "-")
		if err != nil {
			return err
		}
		lines := keyLine.FindAllString(tar, -1)
		if token := anyToken.FindString(tar); token != "" {
			lines = []string{token}
		}
		if len(lines) == 0 {
			return fmt.Errorf("nothing secret is in %s of %s", path, service)
		}
		for i, line := range lines {
			secrets[fmt.Sprintf("%s, line %d", path, i+1)] = line
		}
	}
	return nil
}
