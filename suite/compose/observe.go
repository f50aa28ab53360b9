package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/tidemark/tidemark/kit/auth"
)

// status asks for the overview as a person would, who has the ways in and a token in the environment.
func (s *stack) status(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "tidemark"), "status") //nolint:gosec // our own tool
	cmd.Env = append(os.Environ(), "TIDEMARK_TLS_CA_FILE="+s.keys.ca, "TIDEMARK_TOKEN="+s.keys.tokens[auth.Read].Reveal())
	for service, variable := range map[string]string{"scheduler": "TIDEMARK_ADDR", "parser": "TIDEMARK_PARSER_ADDR", "watermark": "TIDEMARK_WATERMARK_ADDR"} {
		at, err := s.address(ctx, service, ports[service])
		if err != nil {
			return err
		}
		cmd.Env = append(cmd.Env, variable+"="+at)
	}
	out, err := cmd.CombinedOutput()
	if err == nil && (strings.Count(string(out), " @") < 10 || !strings.Contains(string(out), " ACTIVE")) {
		err = errors.New("an account and ten channels are not in it")
	}
	if err != nil {
		return fmt.Errorf("tidemark status: %w: %s", err, out)
	}
	return nil
}

// observed starts the profile's Prometheus: it must find every service, know the rules, and have nothing to complain about. (Grafana has an image of its own,
// which is not everywhere to be had; its dashboard is held against the metrics by a test.)
func (s *stack) observed(ctx context.Context) error {
	if err := s.compose(ctx, "--profile", "observe", "up", "-d", "--wait", "prometheus"); err != nil {
		return err
	}
	defer func() { _ = s.compose(context.WithoutCancel(ctx), "--profile", "observe", "rm", "-sf", "prometheus") }()
	at, err := s.address(ctx, "prometheus", "9090")
	if err != nil {
		return err
	}
	return s.eventually(ctx, func(ctx context.Context) error {
		for query, want := range map[string]string{
			`sum(up{job=~"scheduler|parser|watermark"})`:                      "3",
			`count(tidemark_ready == 1)`:                                      "3",
			`sum(parser_accounts{state="active"})`:                            "1",
			`count(ALERTS{alertstate=~"pending|firing",severity="critical"})`: "",
		} {
			got, err := value(ctx, at, query)
			if err == nil && got != want {
				err = fmt.Errorf("got %q, want %q", got, want)
			}
			if err != nil {
				return fmt.Errorf("prometheus: %s: %w", query, err)
			}
		}
		return nil
	})
}

// value is the one value that a query has now, or "".
func value(ctx context.Context, at, query string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+at+"/api/v1/query", nil)
	if err != nil {
		return "", err
	}
	q := req.URL.Query()
	q.Set("query", query)
	req.URL.RawQuery = q.Encode()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		Data struct {
			Result []struct {
				Value [2]any `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || len(answer.Data.Result) == 0 {
		return "", err
	}
	return fmt.Sprint(answer.Data.Result[0].Value[1]), nil
}
