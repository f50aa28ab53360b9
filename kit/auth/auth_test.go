package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/tidemark/tidemark/kit/env"
	"github.com/tidemark/tidemark/kit/rpc"
)

func silent() *slog.Logger { return slog.New(slog.DiscardHandler) }

func file(t *testing.T) string { t.Helper(); return filepath.Join(t.TempDir(), "tokens.json") }

func add(t *testing.T, path, name string, scope Scope, change func(*Token)) string {
	t.Helper()
	text, token := NewToken(name, scope, time.Now())
	if change != nil {
		change(&token)
	}
	if err := ChangeTokens(path, func(all []Token) ([]Token, error) { return append(all, token), nil }); err != nil {
		t.Fatal(err)
	}
	return text
}

func TestATokenIsKeptAsItsHashOnly(t *testing.T) {
	t.Parallel()
	path := file(t)
	text := add(t, path, "ci", Operate, nil)
	if !strings.HasPrefix(text, "tm_") || len(text) != 46 {
		t.Errorf("got a token %d long, want tm_ and 256 bits", len(text))
	}
	content, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(content), text[3:]) {
		t.Errorf("the file holds the token, %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v, %v, want 0600", info.Mode(), err)
	}
	tokens, err := OpenTokens(path, silent())
	if err != nil {
		t.Fatal(err)
	}
	if found, ok := tokens.find(text); !ok || found.Name != "ci" || found.Scope != Operate {
		t.Errorf("got %v, %v, want the token", found.Token, ok)
	}
	for _, wrong := range []string{"", "tm_", text[:len(text)-1], text + "A", strings.ToLower(text), text[3:]} {
		if _, ok := tokens.find(wrong); ok {
			t.Errorf("%q is taken", wrong)
		}
	}
}

func TestATokensFileThatIsWrongIsRefusedWhole(t *testing.T) {
	t.Parallel()
	sum := strings.Repeat("ab", 32)
	for name, content := range map[string]string{
		"no JSON":        "half a fi",
		"unknown field":  `{"tokens":[{"name":"a","scope":"read","sha256":"` + sum + `","skope":1}]}`,
		"unknown scope":  `{"tokens":[{"name":"a","scope":"root","sha256":"` + sum + `"}]}`,
		"no scope":       `{"tokens":[{"name":"a","sha256":"` + sum + `"}]}`,
		"scope none":     `{"tokens":[{"name":"a","scope":"none","sha256":"` + sum + `"}]}`,
		"short hash":     `{"tokens":[{"name":"a","scope":"read","sha256":"abcd"}]}`,
		"no name":        `{"tokens":[{"scope":"read","sha256":"` + sum + `"}]}`,
		"the same twice": `{"tokens":[{"name":"a","scope":"read","sha256":"` + sum + `"},{"name":"b","scope":"admin","sha256":"` + strings.ToUpper(sum) + `"}]}`,
	} {
		path := file(t)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadTokens(path); err == nil {
			t.Errorf("%s: got %v, want an error", name, got)
		}
	}
}

func TestChangesAtOnceLoseNothing(t *testing.T) {
	t.Parallel()
	path := file(t)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() { add(t, path, "t"+string(rune('a'+i)), Read, nil) })
	}
	all.Wait()
	if got, err := ReadTokens(path); err != nil || len(got) != 20 {
		t.Errorf("got %d tokens, %v, want 20", len(got), err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("got %d files, want the tokens alone", len(left))
	}
}

func TestAFileIsFollowed(t *testing.T) {
	t.Parallel()
	path := file(t)
	first := add(t, path, "first", Read, nil)
	var said bytes.Buffer
	tokens, err := OpenTokens(path, slog.New(slog.NewTextHandler(&said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	second := add(t, path, "second", Read, nil)
	if _, ok := tokens.find(second); !ok {
		t.Error("a new token is not taken without a restart")
	}
	spent, _ := tokens.find(first)
	spent.limiter.AllowN(time.Now(), 200)
	if err := ChangeTokens(path, func(all []Token) ([]Token, error) { return all[:1], nil }); err != nil {
		t.Fatal(err)
	}
	if _, ok := tokens.find(second); ok {
		t.Error("a revoked token is still taken")
	}
	if again, ok := tokens.find(first); !ok || again.limiter.Allow() {
		t.Error("a change of the file gives a token what it has spent")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, ok := tokens.find(first); !ok {
			t.Error("without its file a token is gone: want the last good content in force")
		}
	}
	if got := strings.Count(said.String(), "stays in force"); got != 1 {
		t.Errorf("the log says %d times that the file is gone, want once", got)
	}
}

// at is a call as it comes in from somewhere, with metadata.
func at(t *testing.T, addr net.Addr, pairs ...string) context.Context {
	t.Helper()
	return metadata.NewIncomingContext(peer.NewContext(t.Context(), &peer.Peer{Addr: addr}), metadata.Pairs(pairs...))
}

var (
	home  = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}
	world = &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1}
)

func call(g *Guard, ctx context.Context, method string) error { //nolint:revive // the guard is the subject
	_, err := g.Unary(ctx, &grpc_health_v1.HealthCheckRequest{}, &grpc.UnaryServerInfo{FullMethod: method}, func(context.Context, any) (any, error) { return nil, nil })
	return err
}

func TestWithoutLocksAllMayDoEverything(t *testing.T) {
	t.Parallel()
	var audit bytes.Buffer
	g := NewGuard(Options{Now: time.Now, Audit: slog.New(slog.NewJSONHandler(&audit, nil))})
	for addr, who := range map[net.Addr]string{home: "loopback", world: "network"} {
		if err := call(g, at(t, addr), "/x.Y/Change"); err != nil {
			t.Errorf("%s: %v", who, err)
		}
		if !strings.Contains(audit.String(), `"who":"`+who+`"`) {
			t.Errorf("%s is not in the audit log: %s", who, &audit)
		}
	}
}

func TestAMethodThatSaysNoScopeNeedsTheGreatest(t *testing.T) {
	t.Parallel()
	path := file(t)
	operate, admin := add(t, path, "o", Operate, nil), add(t, path, "a", Admin, nil)
	tokens, err := OpenTokens(path, silent())
	if err != nil {
		t.Fatal(err)
	}
	g := NewGuard(Options{Tokens: tokens, Now: time.Now})
	for _, tc := range []struct {
		name, header, method string
		code                 codes.Code
		reason               string
	}{
		{"admin", "Bearer " + admin, "/x.Y/Z", codes.OK, ""},
		{"lower case bearer", "bearer " + admin, "/x.Y/Z", codes.OK, ""},
		{"operate", "Bearer " + operate, "/x.Y/Z", codes.PermissionDenied, "SCOPE_TOO_SMALL"},
		{"operate, reflection", "Bearer " + operate, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", codes.OK, ""},
		{"basic", "Basic " + admin, "/x.Y/Z", codes.Unauthenticated, "TOKEN_MALFORMED"},
		{"no kind", admin, "/x.Y/Z", codes.Unauthenticated, "TOKEN_MALFORMED"},
		{"empty", "Bearer ", "/x.Y/Z", codes.Unauthenticated, "TOKEN_MALFORMED"},
		{"unknown", "Bearer tm_x", "/x.Y/Z", codes.Unauthenticated, "TOKEN_UNKNOWN"},
		{"unknown, health", "Bearer tm_x", "/grpc.health.v1.Health/Check", codes.OK, ""},
	} {
		err := call(g, at(t, home, "authorization", tc.header), tc.method)
		if status.Code(err) != tc.code || rpc.Reason(err) != tc.reason {
			t.Errorf("%s: got %v %s, want %s %s", tc.name, err, rpc.Reason(err), tc.code, tc.reason)
		}
		if err != nil && strings.Contains(err.Error(), "tm_x") {
			t.Errorf("%s: the error repeats the token: %v", tc.name, err)
		}
	}
	if err := call(g, at(t, home), "/x.Y/Z"); status.Code(err) != codes.Unauthenticated {
		t.Errorf("from this machine without a token: %v, want UNAUTHENTICATED: there is a lock", err)
	}
	if err := call(g, at(t, home, "authorization", "Bearer "+admin, "authorization", "Bearer "+admin), "/x.Y/Z"); status.Code(err) != codes.Unauthenticated {
		t.Errorf("two tokens: %v, want UNAUTHENTICATED", err)
	}
}

func TestATokenComesTooOften(t *testing.T) {
	t.Parallel()
	path, now := file(t), time.Now()
	text := add(t, path, "r", Admin, func(t *Token) { t.Rate = 2 })
	tokens, err := OpenTokens(path, silent())
	if err != nil {
		t.Fatal(err)
	}
	g := NewGuard(Options{Tokens: tokens, Now: func() time.Time { return now }})
	ask := func() error { return call(g, at(t, home, "authorization", "Bearer "+text), "/x.Y/Z") }
	for range 4 {
		if err := ask(); err != nil {
			t.Fatalf("within the burst: %v", err)
		}
	}
	for range 10 { // asking in vain costs nothing
		err = ask()
	}
	if wait, ok := rpc.RetryAfter(err); status.Code(err) != codes.ResourceExhausted || !ok || wait != 500*time.Millisecond {
		t.Errorf("got %v, retry %s, want RESOURCE_EXHAUSTED and half a second", err, wait)
	}
	now = now.Add(500 * time.Millisecond)
	if err := ask(); err != nil {
		t.Errorf("after waiting as told: %v", err)
	}
}

func TestAnAuditLineNamesIDsAndNothingElse(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.log")
	audit, err := AuditFile(path, silent())
	if err != nil {
		t.Fatal(err)
	}
	g := NewGuard(Options{Now: time.Now, Audit: audit})
	fail := func(context.Context, any) (any, error) { return nil, errors.New("secret driver text") }
	_, _ = g.Unary(at(t, home), &grpc_health_v1.HealthCheckRequest{Service: "secret payload"}, &grpc.UnaryServerInfo{FullMethod: "/x.Y/Z"}, fail)
	if err := os.Rename(path, path+".1"); err != nil { // as logrotate does
		t.Fatal(err)
	}
	func() {
		defer func() { _ = recover() }()
		_, _ = g.Unary(at(t, home), nil, &grpc.UnaryServerInfo{FullMethod: "/x.Y/Panics"}, func(context.Context, any) (any, error) { panic("secret") })
	}()
	for name, method := range map[string]string{path + ".1": "/x.Y/Z", path: "/x.Y/Panics"} {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var line map[string]any
		if err := json.Unmarshal(content, &line); err != nil || line["event"] != "audit" || line["method"] != method || line["code"] != "Internal" || strings.Contains(string(content), "secret") {
			t.Errorf("got %s, %v", content, err)
		}
	}
}

func TestWhereATokenMayGo(t *testing.T) {
	t.Parallel()
	t3, err := OpenTLS(Files{}, silent(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		target string
		tls    *TLS
		token  string
		clear  bool
		ok     bool
	}{
		{"127.0.0.1:1", nil, "t", false, true},
		{"[::1]:1", nil, "t", false, true},
		{"localhost:1", nil, "t", false, true},
		{"example.com:1", nil, "", false, false},
		{"example.com:1", nil, "", true, true},
		{"example.com:1", nil, "t", true, false},
		{"localhost.example.com:1", nil, "t", true, false},
		{"127.0.0.1.example.com:1", nil, "t", true, false},
		{"0.0.0.0:1", nil, "", false, false},
		{":1", nil, "", false, false},
		{"example.com:1", t3, "t", false, true},
	} {
		if _, err := DialOptions(tc.target, tc.tls, env.Secret(tc.token), tc.clear); (err == nil) != tc.ok {
			t.Errorf("%s, TLS %t, token %q, clear %t: got %v, want ok %t", tc.target, tc.tls != nil, tc.token, tc.clear, err, tc.ok)
		}
	}
}
