package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// world is the simulator's truth of one channel.
type world struct {
	ID       int64  `json:"id"`
	Username string `json:"username"`
	Last     int64  `json:"last"`
	Posts    []struct {
		ID   int64     `json:"id"`
		Date time.Time `json:"date"`
		Text string    `json:"text"`
	} `json:"posts"`
}

// truth is what Telegram has.
func (s *stack) truth(ctx context.Context) (all []world, err error) {
	var list struct {
		Channels []struct {
			Username string `json:"username"`
		} `json:"channels"`
	}
	if err := s.telegram(ctx, http.MethodGet, "/truth", nil, &list); err != nil {
		return nil, err
	}
	for _, c := range list.Channels {
		var w world
		if err := s.telegram(ctx, http.MethodGet, "/truth?channel="+c.Username, nil, &w); err != nil {
			return nil, err
		}
		all = append(all, w)
	}
	if len(all) != 10 {
		return nil, fmt.Errorf("the simulator has %d channels, want 10", len(all))
	}
	return all, nil
}

// post publishes a post of ours in three channels.
func (s *stack) post(ctx context.Context, text string) error {
	all, err := s.truth(ctx)
	if err != nil {
		return err
	}
	for _, w := range all[:3] {
		if err := s.telegram(ctx, http.MethodPost, "/post", map[string]string{"channel": w.Username, "text": text}, &struct{}{}); err != nil {
			return err
		}
	}
	return nil
}

// telegram calls the simulator's control API.
func (s *stack) telegram(ctx context.Context, method, path string, body, into any) error {
	at, err := s.address(ctx, "tgsim", "9444")
	if err != nil {
		return err
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+at+path, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask the simulator: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the simulator refuses %s: %s", path, answer.Status)
	}
	return json.NewDecoder(answer.Body).Decode(into)
}
