package run

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/tidemark/tidemark/kit/rpc"
)

// story is what happened, in order.
type story struct {
	mu    sync.Mutex
	lines []string
}

func (s *story) add(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, line)
}

func (s *story) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.lines...)
}

// actor is a service that tells its story; what is nil does as a good service would. It has no Name: its package's is taken.
type actor struct {
	id     string
	tells  *story
	run    func(context.Context) error
	ready  func(context.Context) error
	closes func()
	called func(context.Context) error // its one handler
}

var greet = grpc.ServiceDesc{ServiceName: "c.Greet", HandlerType: (*any)(nil), Streams: []grpc.StreamDesc{{
	StreamName: "Greet", ServerStreams: true,
	Handler: func(srv any, stream grpc.ServerStream) error { return srv.(*actor).called(stream.Context()) },
}}}

func (a *actor) Register(r grpc.ServiceRegistrar) {
	a.tells.add(a.id + " registers")
	if a.called != nil {
		r.RegisterService(&greet, a)
	}
}

func (a *actor) Run(ctx context.Context) error {
	if a.run != nil {
		return a.run(ctx)
	}
	<-ctx.Done()
	a.tells.add(a.id + " ends")
	return nil
}

func (a *actor) Ready(ctx context.Context) error {
	if a.ready != nil {
		return a.ready(ctx)
	}
	return nil
}

func (a *actor) Close() {
	if a.closes != nil {
		a.closes()
	}
	a.tells.add(a.id + " closes")
}

// stage is a house in memory, with a client of it.
type stage struct {
	conn  *grpc.ClientConn
	stop  context.CancelFunc
	ended chan error
}

// play serves in the bubble of a synctest; times are its own.
func play(t *testing.T, o Options, services ...Service) stage {
	t.Helper()
	loop := rpc.NewLoopback()
	o.Listeners = []net.Listener{loop.Listener()}
	ctx, stop := context.WithCancel(t.Context())
	s := stage{stop: stop, ended: make(chan error, 1)}
	go func() { s.ended <- Serve(ctx, o, services...) }()
	var err error
	if s.conn, err = loop.Dial(); err != nil {
		t.Fatal(err)
	}
	return s
}

// greet opens the one stream, and answers when the handler has it.
func (s stage) greet(t *testing.T) grpc.ClientStream {
	t.Helper()
	stream, err := s.conn.NewStream(t.Context(), &greet.Streams[0], "/c.Greet/Greet")
	if err == nil {
		err = stream.SendMsg(&grpc_health_v1.HealthCheckRequest{})
	}
	if err == nil {
		err = stream.CloseSend()
	}
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return stream
}

func (s stage) health(t *testing.T, name string) string {
	t.Helper()
	got, err := grpc_health_v1.NewHealthClient(s.conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: name})
	if err != nil {
		return status.Code(err).String()
	}
	return got.GetStatus().String()
}

func TestTheOrderOfStopping(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var tells story
		call := func(ctx context.Context) error {
			select {
			case <-ctx.Done():
				tells.add("the call is cut")
			case <-time.After(6 * time.Second):
				tells.add("the call ends")
			}
			return nil
		}
		s := play(t, Options{Drain: 5 * time.Second, Grace: 3 * time.Second}, &actor{id: "first", tells: &tells, called: call}, &actor{id: "second", tells: &tells})
		defer func() { _ = s.conn.Close() }()
		stream := s.greet(t)
		began := time.Now()
		s.stop()
		synctest.Wait()
		for _, name := range []string{"", "c.Greet", "run"} {
			if got := s.health(t, name); got != "NOT_SERVING" { // calls are still taken: this one is
				t.Errorf("health of %q while draining: got %s, want NOT_SERVING", name, got)
			}
		}
		if err := <-s.ended; err != nil {
			t.Errorf("ended with %v", err)
		}
		if took := time.Since(began); took != 6*time.Second {
			t.Errorf("took %s, want no more than the call under way took", took)
		}
		if err := stream.RecvMsg(&grpc_health_v1.HealthCheckResponse{}); err == nil || status.Code(err) == codes.Unavailable {
			t.Errorf("the call under way got %v, want its own end", err)
		}
		want := []string{"first registers", "second registers", "the call ends", "ends", "ends", "second closes", "first closes"}
		got := tells.all()
		for i, line := range got { // loops end side by side
			if strings.HasSuffix(line, " ends") && !strings.HasPrefix(line, "the call") {
				got[i] = "ends"
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

// Whatever hangs, the process ends in time and says who did.
func TestWhatHangsDelaysTheEndNoLonger(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		hang func(a *actor, never chan struct{})
		took time.Duration
		want string
	}{
		"a stream that listens": {func(a *actor, _ chan struct{}) {
			a.called = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		}, 3 * time.Second, ""},
		"a stream that is deaf": {func(a *actor, never chan struct{}) { a.called = func(context.Context) error { <-never; return nil } }, 4 * time.Second, ""},
		"a loop": {func(a *actor, never chan struct{}) { a.run = func(context.Context) error { <-never; return nil } }, 3 * time.Second,
			"run did not end within 3s of being told to"},
		"closing":       {func(a *actor, never chan struct{}) { a.closes = func() { <-never } }, 2 * time.Second, "closing took longer than 2s"},
		"its readiness": {func(a *actor, never chan struct{}) { a.ready = func(context.Context) error { <-never; return nil } }, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				never := make(chan struct{})
				a := &actor{id: "it", tells: &story{}, called: func(context.Context) error { return nil }}
				tc.hang(a, never)
				s := play(t, Options{}, a)
				s.greet(t)
				began := time.Now()
				s.stop()
				err := <-s.ended
				if took := time.Since(began); took != tc.took {
					t.Errorf("took %s, want %s", took, tc.took)
				}
				if got := lineOf(err); got != tc.want {
					t.Errorf("got %q, want %q", got, tc.want)
				}
				close(never)
				_ = s.conn.Close()
			})
		})
	}
}

func lineOf(err error) string {
	if err == nil {
		return ""
	}
	return Line(err)
}

func TestADeathIsNotDrained(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		die := func(context.Context) error { <-time.After(time.Minute); return errors.New("boom") }
		var tells story
		began := time.Now()
		s := play(t, Options{Drain: time.Hour}, &actor{id: "one", tells: &tells}, &actor{id: "two", tells: &tells, run: die})
		defer func() { _ = s.conn.Close() }()
		if err := <-s.ended; lineOf(err) != "run: boom" || time.Since(began) != time.Minute {
			t.Errorf("got %v after %s, want the death at once", err, time.Since(began))
		}
	})
}

// A loop that answers its context's error when told to end is no failure.
func TestEndingWithTheContextIsNoError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := play(t, Options{}, &actor{id: "it", tells: &story{}, run: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }})
		defer func() { _ = s.conn.Close() }()
		synctest.Wait()
		s.stop()
		if err := <-s.ended; err != nil {
			t.Errorf("got %v", err)
		}
	})
}

func TestAServiceThatDoesNotAnswerIsNotReady(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var slow atomic.Bool
		a := &actor{id: "it", tells: &story{}}
		a.ready = func(context.Context) error {
			if slow.Load() {
				<-time.After(10 * time.Second) // deaf to its context
			}
			return nil
		}
		h := newHealth(Options{Version: "v9"}.filled(), []Service{a})
		ctx, cancel := context.WithCancel(t.Context())
		go h.watch(ctx, a)
		page := func(path string) (int, string) {
			w := httptest.NewRecorder()
			h.mux().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
			return w.Code, strings.TrimSpace(w.Body.String())
		}
		expect := func(when, path string, code int, body string) {
			t.Helper()
			if gotCode, got := page(path); gotCode != code || got != body {
				t.Errorf("%s: got %d %s, want %d %s", when, gotCode, got, code, body)
			}
		}
		synctest.Wait()
		expect("ready", "/health", 200, `{"services":{"run":{"status":"SERVING"}},"status":"SERVING","version":"v9"}`)
		slow.Store(true)
		<-time.After(5 * time.Second)
		expect("slow", "/health", 503, `{"services":{"run":{"status":"NOT_SERVING","reason":"does not say within 3s whether it is ready"}},"status":"NOT_SERVING","version":"v9"}`)
		expect("slow", "/livez", 200, "alive")
		slow.Store(false)
		<-time.After(10 * time.Second)
		expect("ready again", "/health", 200, `{"services":{"run":{"status":"SERVING"}},"status":"SERVING","version":"v9"}`)
		h.stopping()
		expect("stopping", "/health", 503, `{"services":{"run":{"status":"NOT_SERVING","reason":"stopping"}},"status":"NOT_SERVING","version":"v9"}`)
		cancel()
	})
}
