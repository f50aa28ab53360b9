package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/tidemark/tidemark/kit/env"
)

// stack is the compose project under test, beside any that the user has.
type stack struct {
	out     io.Writer
	began   time.Time
	grpcurl string
	bin     string                // folder
	dir     string                // where files of this run are
	file    string                // its .env
	values  map[string]env.Secret // what is in there
	keys    keys
}

const project = "tidemark-test"

// ours are what a user's .env does not say: free ports, an account that occurs nowhere else, and posts when we make them.
func ours() map[string]string {
	digits := func(n int) string {
		d, _ := rand.Int(rand.Reader, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)) // never fails, says its documentation
		return fmt.Sprintf("%0*d", n, d)
	}
	set := map[string]string{"DEMO_PHONE": "+1999" + digits(9), "DEMO_CODE": digits(9), "DEMO_EVERY": "0s"}
	for _, name := range []string{"SCHEDULER_GRPC", "SCHEDULER_HTTP", "PARSER_GRPC", "PARSER_HTTP", "WATERMARK_GRPC", "WATERMARK_HTTP", "REDIS", "POSTGRES", "TGSIM_CONTROL", "PROMETHEUS"} {
		set["PORT_"+name] = ""
	}
	return set
}

// environment makes a .env of a kind as a user would, with what is ours, and takes it.
func (s *stack) environment(ctx context.Context, kind string) error {
	file := filepath.Join(s.dir, kind+".env")
	if out, err := exec.CommandContext(ctx, "scripts/env.sh", kind, file).CombinedOutput(); err != nil {
		return fmt.Errorf("scripts/env.sh: %s", out)
	}
	text, err := os.ReadFile(file) //nolint:gosec // made above
	if err != nil {
		return err
	}
	set, lines := ours(), strings.Split(string(text), "\n")
	s.file, s.values, s.keys = file, map[string]env.Secret{}, keys{}
	for i, line := range lines {
		name, value, ok := strings.Cut(line, "=")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		if v, is := set[name]; is {
			value = v
			delete(set, name)
		}
		lines[i], s.values[name] = name+"="+value, env.Secret(value)
	}
	if len(set) > 0 {
		return fmt.Errorf(".env.example does not know %d of our variables", len(set))
	}
	return os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600)
}

// clean is our environment without what could change what compose does.
func (s *stack) clean() (environ []string) {
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if _, is := s.values[name]; !is && !strings.HasPrefix(name, "COMPOSE_") {
			environ = append(environ, entry)
		}
	}
	return environ
}

// docker runs the docker command and answers what it prints.
func (s *stack) docker(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Env = s.clean()
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		said := strings.TrimSpace(complaint.String())
		return "", fmt.Errorf("docker %s: %w: %s", strings.Join(args, " "), err, said[max(0, len(said)-2000):])
	}
	return strings.TrimSpace(out.String()), nil
}

func (s *stack) ask(ctx context.Context, args ...string) (string, error) {
	return s.docker(ctx, append([]string{"compose", "-p", project, "--env-file", s.file, "--profile", "demo"}, args...)...)
}

func (s *stack) compose(ctx context.Context, args ...string) error {
	_, err := s.ask(ctx, args...)
	return err
}

// whole is compose with all that there is, whatever the .env chooses: to build, and to take away what a run with locks left behind.
func (s *stack) whole(ctx context.Context, args ...string) error {
	_, err := s.ask(ctx, append([]string{"-f", "docker-compose.yml", "-f", "deploy/compose/locked.yaml"}, args...)...)
	return err
}

// up starts all and waits as the user does.
func (s *stack) up(ctx context.Context, scale ...string) error {
	if err := s.down(ctx); err != nil { // of a run that was cut off
		return err
	}
	began := time.Now()
	bounded, cancel := context.WithTimeout(ctx, 3*healthyWithin)
	defer cancel()
	if err := s.compose(bounded, append([]string{"up", "-d", "--wait"}, scale...)...); err != nil {
		return err
	}
	took := time.Since(began)
	if took > healthyWithin {
		return fmt.Errorf("healthy after %s, want %s at most", took, healthyWithin)
	}
	s.say("up -d --wait %s: healthy, and the demo set up, after %s", strings.Join(scale, " "), took.Round(100*time.Millisecond))
	return nil
}

func (s *stack) down(ctx context.Context) error {
	if err := s.whole(ctx, "--profile", "observe", "down", "--volumes", "--remove-orphans"); err != nil {
		return err
	}
	for _, kind := range [][]string{{"ps", "-a"}, {"volume", "ls"}, {"network", "ls"}} {
		left, err := s.docker(ctx, append(kind, "-q", "--filter", "label=com.docker.compose.project="+project)...)
		if err != nil || left != "" {
			return errors.Join(err, fmt.Errorf("down leaves behind (%s): %s", kind[0], left))
		}
	}
	return nil
}

// containers are a service's, by their numbers; all of the project's for "".
func (s *stack) containers(ctx context.Context, service string) ([]string, error) {
	args := []string{"ps", "-a", "-q"}
	if service != "" {
		args = append(args, service)
	}
	ids, err := s.ask(ctx, args...)
	return strings.Fields(ids), err
}

// address is where a container's port is on this machine; of the first container that serves it.
func (s *stack) address(ctx context.Context, service, port string) (string, error) {
	var last error
	for i := range 2 {
		at, err := s.ask(ctx, "port", "--index", fmt.Sprint(i+1), service, port)
		if err == nil && strings.HasPrefix(at, "127.0.0.1:") && !strings.HasSuffix(at, ":0") {
			return at, nil
		}
		last = fmt.Errorf("%s %s is at %q: %w", service, port, at, errors.Join(err, last))
	}
	return "", last
}

// explain shows what a person would look at first.
func (s *stack) explain(ctx context.Context) {
	if out, err := s.ask(ctx, "ps", "-a", "--format", "{{.Name}}\t{{.Status}}"); err == nil {
		_, _ = fmt.Fprintln(s.out, out)
	}
	if out, err := s.ask(ctx, "logs", "--no-color", "--tail", "15"); err == nil {
		_, _ = fmt.Fprintln(s.out, out)
	}
}
