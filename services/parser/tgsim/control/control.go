// Package control is the Server's Go API over plain HTTP and JSON, for programs that drive the simulator from another process. It has no
// authentication: listen on the loopback.
//
//	GET  /health     {"status":"SERVING","addr":...}
//	GET  /key        the public key, PEM
//	GET  /truth      all channels in short; ?channel=NAME one in full
//	GET  /posts      ?channel=NAME&first=1&last=100: ids of the posts that exist there
//	GET  /requests   counts by method; ?last=N the latest ones too
//	POST /requests/reset
//	POST /fault      {"kind":"flood","method":"messages.getHistory","after":3,"for":"30s"}; DELETE /fault ends all trouble
//	POST /post       {"channel":"x","text":"..."}; without text a made-up one; with "n" so many ids of all kinds
//	POST /edit       {"channel":"x","id":5,"text":"..."}
//	POST /delete     {"channel":"x","ids":[1,2]}
//	POST /private, /clear {"channel":"x"}; /rename {"channel":"x","username":"y"}; /join, /leave {"channel":"x","phone":"+1..."}
//	POST /scan, /revoke {"phone":"+1..."}
//
// A mistake is answered with 400 and {"error":...}.
package control

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tidemark/tidemark/services/parser/tgsim"
)

// order is the body of every POST but /fault.
type order struct {
	Channel  string `json:"channel"`
	Text     string `json:"text"`
	ReplyTo  int    `json:"reply_to"`
	Author   string `json:"author"`
	Silent   bool   `json:"silent"`
	N        int    `json:"n"`
	ID       int    `json:"id"`
	IDs      []int  `json:"ids"`
	Username string `json:"username"`
	Phone    string `json:"phone"`
}

// Handler serves the control of a Server.
func Handler(s *tgsim.Server) http.Handler {
	w, mux := s.World(), http.NewServeMux()
	get := func(path string, fn func(*http.Request) (any, error)) { mux.HandleFunc("GET "+path, answer(fn)) }
	post := func(path string, fn func(order) (any, error)) {
		mux.HandleFunc("POST "+path, answer(func(r *http.Request) (any, error) {
			var o order
			if err := read(r, &o); err != nil {
				return nil, err
			}
			return fn(o)
		}))
	}
	only := func(path string, fn func(order) error) {
		post(path, func(o order) (any, error) { return struct{}{}, fn(o) })
	}
	get("/health", func(*http.Request) (any, error) { return map[string]string{"status": "SERVING", "addr": s.Addr()}, nil })
	mux.HandleFunc("GET /key", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(s.PublicKeyPEM()) })
	get("/truth", func(r *http.Request) (any, error) { return truth(w, r.URL.Query().Get("channel")) })
	get("/posts", func(r *http.Request) (any, error) { return posts(w, r.URL.Query()) })
	get("/requests", func(r *http.Request) (any, error) { return requests(s, r.URL.Query().Get("last")) })
	only("/requests/reset", func(order) error { s.ResetRequests(); return nil })
	mux.HandleFunc("POST /fault", answer(func(r *http.Request) (any, error) { return struct{}{}, fail(s, r) }))
	mux.HandleFunc("DELETE /fault", answer(func(*http.Request) (any, error) { s.Faults().Clear(); return struct{}{}, nil }))
	post("/post", func(o order) (any, error) { return publish(w, o) })
	only("/edit", func(o order) error { return w.Edit(o.Channel, o.ID, o.Text) })
	post("/delete", func(o order) (any, error) {
		n, err := w.Delete(o.Channel, o.IDs...)
		return map[string]int{"deleted": n}, err
	})
	only("/private", func(o order) error { return w.MakePrivate(o.Channel) })
	only("/clear", func(o order) error { return w.Clear(o.Channel) })
	only("/rename", func(o order) error { return w.Rename(o.Channel, o.Username) })
	only("/join", func(o order) error { return w.Join(o.Channel, o.Phone) })
	only("/leave", func(o order) error { return w.Leave(o.Channel, o.Phone) })
	only("/scan", func(o order) error { return s.Scan(o.Phone) })
	only("/revoke", func(o order) error { return s.Revoke(o.Phone) })
	return mux
}

func truth(w *tgsim.World, channel string) (any, error) {
	if channel == "" {
		return map[string]any{"channels": w.Summaries()}, nil
	}
	return w.Truth(channel)
}

func posts(w *tgsim.World, q url.Values) (any, error) {
	var first, last int
	if _, err := fmt.Sscan(q.Get("first")+" "+q.Get("last"), &first, &last); err != nil {
		return nil, fmt.Errorf("first and last must be ids: %w", err)
	}
	return w.PostIDs(q.Get("channel"), first, last)
}

func requests(s *tgsim.Server, last string) (any, error) {
	answer := map[string]any{"counts": s.Requests()}
	if last != "" {
		n, err := strconv.Atoi(last)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("last must be a count, not %q", last)
		}
		all := s.LastRequests()
		answer["last"] = all[max(0, len(all)-n):]
	}
	return answer, nil
}

func fail(s *tgsim.Server, r *http.Request) error {
	var rule struct {
		tgsim.Rule
		For string `json:"for"` // as 30s or 1m
	}
	if err := read(r, &rule); err != nil {
		return err
	}
	if rule.For != "" {
		d, err := time.ParseDuration(rule.For)
		if err != nil {
			return fmt.Errorf("for: %w", err)
		}
		rule.Rule.For = d
	}
	return s.Faults().Add(rule.Rule)
}

func publish(w *tgsim.World, o order) (any, error) {
	if o.N > 0 {
		first, last, err := w.Grow(o.Channel, o.N)
		return map[string]int{"first": first, "last": last}, err
	}
	id, err := w.Post(o.Channel, tgsim.Draft{Text: o.Text, ReplyTo: o.ReplyTo, Author: o.Author, Silent: o.Silent})
	return map[string]int{"id": id}, err
}

func read(r *http.Request, into any) error {
	if r.ContentLength == 0 {
		return nil
	}
	in := json.NewDecoder(r.Body)
	in.DisallowUnknownFields()
	if err := in.Decode(into); err != nil {
		return fmt.Errorf("read body: %w", err)
	}
	return nil
}

func answer(fn func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		v, err := fn(r)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			v = map[string]string{"error": err.Error()}
		}
		_ = json.NewEncoder(w).Encode(v)
	}
}
