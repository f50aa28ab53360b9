package control_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tidemark/tidemark/services/parser/tgsim"
	"github.com/tidemark/tidemark/services/parser/tgsim/control"
)

func TestControl(t *testing.T) {
	t.Parallel()
	w, err := tgsim.NewWorld(tgsim.Spec{Seed: 1, Messages: 30, End: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	srv, err := tgsim.Listen("127.0.0.1:0", w, tgsim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	web := httptest.NewServer(control.Handler(srv))
	t.Cleanup(web.Close)
	ask := func(method, path, body string) (int, string) {
		r, _ := http.NewRequestWithContext(t.Context(), method, web.URL+path, strings.NewReader(body))
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }()
		raw, _ := io.ReadAll(answer.Body)
		return answer.StatusCode, strings.TrimSpace(string(raw))
	}
	id := w.Channels()[0]
	for _, c := range []struct {
		method, path, body string
		code               int
		want               string // a part of the answer
	}{
		{"GET", "/health", "", 200, srv.Addr()},
		{"GET", "/key", "", 200, "BEGIN RSA PUBLIC KEY"},
		{"GET", "/truth", "", 200, `"username":"channel_1"`},
		{"GET", "/posts?channel=channel_1&first=1&last=1", "", 200, `[]`}, // a service message
		{"GET", "/posts?channel=channel_1&first=1", "", 400, "must be ids"},
		{"GET", "/truth?channel=nobody", "", 400, "no such channel"},
		{"POST", "/post", `{"channel":"channel_1","text":"by control"}`, 200, `{"id":31}`},
		{"POST", "/post", `{"channel":"channel_1"}`, 200, `{"id":32}`},
		{"POST", "/post", `{"channel":"channel_1","n":5}`, 200, `{"first":33,"last":37}`},
		{"POST", "/edit", `{"channel":"channel_1","id":31,"text":"by another hand"}`, 200, `{}`},
		{"POST", "/edit", `{"channel":"channel_1","id":999,"text":"x"}`, 400, "no such message"},
		{"POST", "/delete", `{"channel":"channel_1","ids":[32,999]}`, 200, `{"deleted":1}`},
		{"POST", "/delete", `{"chanel":"channel_1"}`, 400, "unknown field"},
		{"POST", "/fault", `{"kind":"flood","method":"messages.getHistory","after":3,"for":"30s"}`, 200, `{}`},
		{"POST", "/fault", `{"kind":"poison","channel":5,"ids":[1]}`, 200, `{}`},
		{"POST", "/fault", `{"kind":"slow"}`, 400, "needs a duration"},
		{"POST", "/fault", `{"kind":"slow","for":"soon"}`, 400, "for: "},
		{"POST", "/leave", `{"channel":"channel_1","phone":"+10000000000"}`, 200, `{}`},
		{"POST", "/join", `{"channel":"channel_1","phone":"+10000000000"}`, 200, `{}`},
		{"POST", "/join", `{"channel":"channel_1","phone":"+3"}`, 400, "no account"},
		{"POST", "/rename", `{"channel":"channel_1","username":"other_name"}`, 200, `{}`},
		{"POST", "/private", `{"channel":"other_name"}`, 200, `{}`},
		{"GET", fmt.Sprint("/truth?channel=", id), "", 200, `"private":true`},
		{"GET", fmt.Sprint("/truth?channel=", id), "", 200, `"text":"by another hand"`},
		{"POST", "/clear", fmt.Sprintf(`{"channel":"%d"}`, id), 200, `{}`},
		{"POST", "/scan", `{"phone":"+10000000000"}`, 400, "QR"},
		{"POST", "/revoke", `{"phone":"+10000000000"}`, 200, `{}`},
		{"GET", "/requests?last=5", "", 200, `"last":[]`},
		{"GET", "/requests?last=x", "", 400, "count"},
		{"POST", "/requests/reset", "", 200, `{}`},
	} {
		code, got := ask(c.method, c.path, c.body)
		if code != c.code || !strings.Contains(got, c.want) {
			t.Errorf("%s %s %s: %d %.300s, want %d %s", c.method, c.path, c.body, code, got, c.code, c.want)
		}
	}
	if n := srv.Faults().Active(); n != 1 {
		t.Errorf("%d rules in force, want 1", n)
	}
	if code, _ := ask("DELETE", "/fault", ""); code != 200 || srv.Faults().Active() != 0 {
		t.Error("trouble does not end")
	}
	var truth tgsim.Truth
	if _, raw := ask("GET", fmt.Sprint("/truth?channel=", id), ""); json.Unmarshal([]byte(raw), &truth) != nil || truth.Top != 37 || len(truth.Posts) != 0 {
		t.Errorf("the truth after clearing: %+v", truth)
	}
}
