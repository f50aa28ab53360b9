package run

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1alpha"

	"github.com/tidemark/tidemark/kit/env"
	"github.com/tidemark/tidemark/kit/telemetry"
)

// fake is a service whose every step the test decides.
type fake struct {
	name   string
	run    func(context.Context) error
	ready  atomic.Pointer[error]
	note   atomic.Pointer[string]
	closed chan string
}

func newFake(name string, closed chan string) *fake {
	return &fake{name: name, closed: closed, run: func(ctx context.Context) error { <-ctx.Done(); return nil }}
}

func (f *fake) Name() string                     { return f.name }
func (f *fake) Register(r grpc.ServiceRegistrar) {}
func (f *fake) Run(ctx context.Context) error    { return f.run(ctx) }
func (f *fake) Close()                           { f.closed <- f.name }
func (f *fake) Ready(context.Context) error {
	if err := f.ready.Load(); err != nil {
		return *err
	}
	return nil
}

func (f *fake) Note(context.Context) string {
	if note := f.note.Load(); note != nil {
		return *note
	}
	return ""
}

// house is a running Serve.
type house struct {
	grpc, http string
	stop       context.CancelFunc
	ended      chan error
}

func serve(t *testing.T, services ...Service) house {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	h := house{stop: stop, ended: make(chan error, 1)}
	listening := make(chan [2]string, 1)
	go func() {
		h.ended <- Serve(ctx, Options{
			GRPCAddr: "127.0.0.1:0", HTTPAddr: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler), Registry: telemetry.Registry("v9"), Version: "v9", Grace: 200 * time.Millisecond,
			OnListen: func(g, h net.Addr) { listening <- [2]string{g.String(), h.String()} },
		}, services...)
	}()
	select {
	case at := <-listening:
		h.grpc, h.http = at[0], at[1]
	case err := <-h.ended:
		t.Fatalf("did not start: %v", err)
	}
	return h
}

func (h house) health(t *testing.T) (code int, body map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+h.http+"/health", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		t.Fatalf("/health is no JSON: %v", err)
	}
	return resp.StatusCode, body
}

func TestHealthTellsProgressAndWhy(t *testing.T) {
	t.Parallel()
	s := newFake("one", make(chan string, 1))
	h := serve(t, s)
	conn, err := grpc.NewClient(h.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	watch, err := grpc_health_v1.NewHealthClient(conn).Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "one"})
	if err != nil {
		t.Fatal(err)
	}
	await := func(want grpc_health_v1.HealthCheckResponse_ServingStatus) {
		t.Helper()
		for {
			got, err := watch.Recv()
			if err != nil {
				t.Fatalf("watch health: %v", err)
			}
			if got.GetStatus() == want {
				return
			}
		}
	}
	await(grpc_health_v1.HealthCheckResponse_SERVING)
	if code, body := h.health(t); code != http.StatusOK || body["status"] != "SERVING" || body["version"] != "v9" {
		t.Errorf("got %d %v, want 200 SERVING v9", code, body)
	}
	why := errors.New("the last tick is 11m old")
	s.ready.Store(&why)
	await(grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	code, body := h.health(t)
	one, _ := body["services"].(map[string]any)["one"].(map[string]any)
	if code != http.StatusServiceUnavailable || one["reason"] != why.Error() {
		t.Errorf("got %d %v, want 503 with the reason", code, body)
	}
	h.stop()
	if err := <-h.ended; err != nil {
		t.Errorf("ended with %v", err)
	}
}

func TestReflectionOfBothVersions(t *testing.T) {
	t.Parallel()
	h := serve(t, newFake("one", make(chan string, 1)))
	defer h.stop()
	conn, err := grpc.NewClient(h.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	v1, err := grpc_reflection_v1.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	if err == nil {
		err = v1.Send(&grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{}})
	}
	if err == nil {
		_, err = v1.Recv()
	}
	if err != nil {
		t.Errorf("v1: %v", err)
	}
	alpha, err := grpc_reflection_v1alpha.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	if err == nil {
		err = alpha.Send(&grpc_reflection_v1alpha.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1alpha.ServerReflectionRequest_ListServices{}}) //nolint:staticcheck // old clients speak it
	}
	if err == nil {
		_, err = alpha.Recv()
	}
	if err != nil {
		t.Errorf("v1alpha: %v", err)
	}
}

func TestOneDeathStopsTheHouse(t *testing.T) {
	t.Parallel()
	for name, death := range map[string]error{"with an error": errors.New("boom"), "without a word": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			closed := make(chan string, 2)
			first, second := newFake("first", closed), newFake("second", closed)
			second.run = func(context.Context) error { return death }
			err := <-serve(t, first, second).ended
			if err == nil || !strings.HasPrefix(err.Error(), "second: ") {
				t.Errorf("got %v, want the second's name in it", err)
			}
			if order := <-closed + " " + <-closed; order != "second first" {
				t.Errorf("closed %s, want the reverse of opening", order)
			}
		})
	}
}

func TestAHangingCallIsCutAtStop(t *testing.T) {
	t.Parallel()
	h := serve(t, newFake("one", make(chan string, 1)))
	conn, err := grpc.NewClient(h.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	stream, err := grpc_reflection_v1.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context()) // open until somebody ends it
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{}}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	h.stop()
	if err := <-h.ended; err != nil || time.Since(began) > 5*time.Second {
		t.Errorf("ended with %v after %s", err, time.Since(began))
	}
}

func TestAnAddressInUseSaysWhatToDo(t *testing.T) {
	t.Parallel()
	h := serve(t, newFake("one", make(chan string, 1)))
	defer h.stop()
	err := Serve(t.Context(), Options{GRPCAddr: h.grpc, HTTPAddr: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler), Registry: telemetry.Registry("")}, newFake("two", make(chan string, 1)))
	if err == nil || err.Error() != "address "+h.grpc+" is in use: stop what runs there, or choose another with --grpc-addr" {
		t.Errorf("got %v", err)
	}
}

type command struct {
	Name     string        `help:"A name." default:"x"`
	Every    time.Duration `help:"A time." default:"5m"`
	Password env.Secret    `help:"A secret."`
}

func (c *command) Run(out io.Writer) error {
	PrintConfig(out, c)
	if c.Name == "fail" {
		return errors.New("it did not work")
	}
	return nil
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		args, environ []string
		code          int
		want          string
	}{
		"defaults":             {[]string{"do"}, nil, 0, "every                    5m0s"},
		"a secret":             {[]string{"do", "--password", "hunter2"}, nil, 0, "password                 ***"},
		"an unknown flag":      {[]string{"do", "--nmae", "y"}, nil, 2, `prog: unknown flag --nmae, did you mean "--name"? (see prog --help)`},
		"an unknown variable":  {[]string{"do"}, []string{"PROG_NMAE=y", "OTHER=1"}, 2, "prog: unknown environment variable PROG_NMAE, did you mean PROG_NAME?"},
		"an unknown command":   {[]string{"dont"}, nil, 2, `prog: unexpected argument dont`},
		"a command that fails": {[]string{"do", "--name", "fail"}, nil, 1, "prog: it did not work"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var cli struct {
				Do command `cmd:"" help:"Does it."`
			}
			var out strings.Builder
			if code := Run(t.Context(), "prog", "A program.", &cli, tc.args, tc.environ, &out, &out); code != tc.code || !strings.Contains(out.String(), tc.want) {
				t.Errorf("got %d %q, want %d %q", code, out.String(), tc.code, tc.want)
			}
			if strings.Contains(out.String(), "hunter2") {
				t.Errorf("a secret is printed: %s", out.String())
			}
		})
	}
}

// required is a configuration that is not valid by its defaults alone.
type required struct {
	Size int `default:"7" help:"A size."`
	URL  string
}

func (required) Validate() error { return errors.New("never valid") }

func TestDefaults(t *testing.T) {
	t.Parallel()
	if got := Defaults[required](); got.Size != 7 {
		t.Errorf("got %+v, want the tag's default", got)
	}
}
