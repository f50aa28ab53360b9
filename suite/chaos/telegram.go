package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tidemark/tidemark/services/parser/tgsim/world"
)

// telegram is the simulator's control API: the truth, and the way to change it.
type telegram struct{ addr string }

type order struct {
	Channel  string `json:"channel,omitempty"`
	Text     string `json:"text,omitempty"`
	N        int    `json:"n,omitempty"`
	ID       int    `json:"id,omitempty"`
	IDs      []int  `json:"ids,omitempty"`
	Username string `json:"username,omitempty"`
}

// trouble is a fault of the simulator's.
type trouble struct {
	Kind    string `json:"kind"`
	Method  string `json:"method,omitempty"`
	Channel int64  `json:"channel,omitempty"`
	After   int    `json:"after,omitempty"`
	Every   int    `json:"every,omitempty"`
	Count   int    `json:"count,omitempty"`
	For     string `json:"for,omitempty"`
	Code    int    `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
	IDs     []int  `json:"ids,omitempty"`
}

const askWithin = 20 * time.Second

func (t telegram) ask(ctx context.Context, method, path string, body, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	var in bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&in).Encode(body); err != nil {
			return err
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://"+t.addr+path, &in)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		var why struct{ Error string }
		_ = json.NewDecoder(resp.Body).Decode(&why)
		return fmt.Errorf("telegram: %s %s: %s", method, path, why.Error)
	}
	if answer == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(answer)
}

func (t telegram) channels(ctx context.Context) ([]world.Summary, error) {
	var all struct{ Channels []world.Summary }
	return all.Channels, t.ask(ctx, http.MethodGet, "/truth", nil, &all)
}

func (t telegram) truth(ctx context.Context, channel int64) (got world.Truth, err error) {
	return got, t.ask(ctx, http.MethodGet, "/truth?channel="+strconv.FormatInt(channel, 10), nil, &got)
}

// posts are the ids of a channel's posts that exist, between two ids.
func (t telegram) posts(ctx context.Context, channel, first, last int64) (ids []int64, err error) {
	q := url.Values{"channel": {strconv.FormatInt(channel, 10)}, "first": {strconv.FormatInt(first, 10)}, "last": {strconv.FormatInt(last, 10)}}
	return ids, t.ask(ctx, http.MethodGet, "/posts?"+q.Encode(), nil, &ids)
}

func (t telegram) post(ctx context.Context, channel int64, text string) (int64, error) {
	var made struct{ ID int64 }
	return made.ID, t.ask(ctx, http.MethodPost, "/post", order{Channel: strconv.FormatInt(channel, 10), Text: text}, &made)
}

func (t telegram) grow(ctx context.Context, channel int64, n int) (first, last int64, err error) {
	var made struct{ First, Last int64 }
	err = t.ask(ctx, http.MethodPost, "/post", order{Channel: strconv.FormatInt(channel, 10), N: n}, &made)
	return made.First, made.Last, err
}

func (t telegram) do(ctx context.Context, path string, o order) error {
	return t.ask(ctx, http.MethodPost, path, o, nil)
}

func (t telegram) fault(ctx context.Context, f trouble) error {
	return t.ask(ctx, http.MethodPost, "/fault", f, nil)
}

func (t telegram) calm(ctx context.Context) error {
	return t.ask(ctx, http.MethodDelete, "/fault", nil, nil)
}
