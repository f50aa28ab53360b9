// Package run is the life of a process: its command line, its servers, and the one order in which everything stops.
package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	"github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/kit/telemetry"
)

// Service is what a process can run, alone or beside others. One that has a Name() string is called by that; else by its Go package.
type Service interface {
	// Register adds its handlers; called once, before Run.
	Register(grpc.ServiceRegistrar)
	// Run works until ctx ends, then returns nil. Returning earlier stops the process.
	Run(ctx context.Context) error
	// Ready is nil while it makes progress; else its text says to a person why not. Asked every second.
	Ready(ctx context.Context) error
	// Close frees what Open took; called once, after Run.
	Close()
}

// Options of a process.
type Options struct {
	GRPCAddr  string                        // host:port; "" serves Listeners only
	HTTPAddr  string                        // host:port of /health, /livez and /metrics; "" serves none
	Listeners []net.Listener                // gRPC is served here, too: a loopback
	Log       *slog.Logger                  // nil: logs nothing
	Registry  *prometheus.Registry          // nil: a new one
	Traces    *telemetry.Traces             // nil: makes none; closed at the end
	Drain     time.Duration                 // between turning not ready and refusing calls, for load balancers; 0 for none
	Grace     time.Duration                 // for calls under way to end; 0 means 3 s
	Version   string                        // shown in /health
	OnListen  func(grpcAddr, http net.Addr) // called once, when both ports are bound; nil for one that is not served
	Mount     map[string]http.Handler       // more for the HTTP port, by pattern
	Doors     Doors                         // who may come in by the gRPC port
}

func (o Options) filled() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	if o.Grace == 0 {
		o.Grace = 3 * time.Second
	}
	return o
}

// Serve runs services until ctx ends or one of them fails. It stops in this order: not ready, drain, refuse and finish calls (then cut them),
// end the background loops, close in reverse, send the last traces. One death stops the house. It returns within Drain + Grace + 7 s whatever hangs.
func Serve(ctx context.Context, o Options, services ...Service) error {
	o = o.filled()
	locks, listeners, err := o.doors(ctx)
	if err != nil {
		closeAll(services)
		return err
	}
	server := rpc.NewServer(locks)
	h := newHealth(o, services)
	for _, s := range services {
		s.Register(h.registrar(server, s))
	}
	grpc_health_v1.RegisterHealthServer(server, h.grpc)
	reflection.Register(server)
	if o.OnListen != nil {
		o.OnListen(listeners.addresses())
	}
	l := &life{Options: o, services: services, server: server, health: h, admin: &http.Server{Handler: h.mux(), ReadHeaderTimeout: 5 * time.Second}}
	return l.live(ctx, listeners)
}

// doors are bound only when they can be locked as was asked.
func (o Options) doors(ctx context.Context) (locks rpc.ServerOptions, b bound, err error) {
	if err := o.Doors.Check(o.GRPCAddr); err != nil {
		return locks, b, err
	}
	if locks, err = o.Doors.locks(o.Log, o.Registry); err != nil {
		return locks, b, err
	}
	locks.Log, locks.Registry, locks.Traces = o.Log, o.Registry, o.Traces
	b, err = bind(ctx, o)
	return locks, b, err
}

// life is one run of a process, from its first call to its last.
type life struct {
	Options
	services []Service
	server   *grpc.Server
	health   *health
	admin    *http.Server
}

func (l *life) live(ctx context.Context, b bound) error {
	loops, endLoops := context.WithCancel(context.WithoutCancel(ctx))
	defer endLoops()
	house, alive := errgroup.WithContext(loops)
	work := newRoll(l.services)
	for _, s := range l.services {
		house.Go(func() error { defer work.leave(s); return ended(alive, nameOf(s), s.Run(alive)) })
		house.Go(func() error { l.health.watch(alive, s); return nil })
	}
	for _, listener := range l.listeners(b) {
		house.Go(func() error { return ignore(l.server.Serve(listener), grpc.ErrServerStopped) })
	}
	if b.http != nil {
		house.Go(func() error { return ignore(l.admin.Serve(b.http), http.ErrServerClosed) })
	}
	select {
	case <-ctx.Done():
	case <-alive.Done(): // somebody died
	}
	l.health.stopping()
	wait(alive, l.Drain)
	l.stopCalls()
	endLoops()
	_ = l.admin.Close()
	err := within(endWithin, house.Wait, func() error { return fmt.Errorf("%s did not end within %s of being told to", work, endWithin) })
	err = errors.Join(err, within(closeWithin, func() error { closeAll(l.services); return nil },
		func() error { return fmt.Errorf("closing took longer than %s", closeWithin) }))
	flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushWithin)
	defer cancel()
	l.Traces.Close(flush)
	return err
}

func (l *life) listeners(b bound) []net.Listener {
	if b.grpc == nil {
		return l.Listeners
	}
	return append([]net.Listener{rpc.Bounded(b.grpc, rpc.MaxConnections)}, l.Listeners...)
}

const (
	// cutWithin is for handlers to notice that their connection was cut.
	cutWithin = time.Second
	// endWithin is for background loops to end.
	endWithin = 3 * time.Second
	// closeWithin is for all services together to free what they hold.
	closeWithin = 2 * time.Second
	// flushWithin is for a collector to take the last traces.
	flushWithin = time.Second
)

// ended says whose error it is; ending before being told to is one, too.
func ended(alive context.Context, name string, err error) error {
	switch {
	case alive.Err() != nil && (err == nil || errors.Is(err, context.Canceled)):
		return nil
	case err == nil:
		err = errors.New("ended by itself")
	}
	return fmt.Errorf("%s: %w", name, err)
}

// stopCalls lets calls end within the grace and cuts the rest.
func (l *life) stopCalls() {
	done := make(chan struct{})
	go func() { l.server.GracefulStop(); close(done) }()
	select {
	case <-done:
		return
	case <-time.After(l.Grace):
	}
	l.Log.Warn("calls were cut: they did not end in time", "grace", l.Grace)
	l.server.Stop() // returns at once; each handler's context ends
	select {
	case <-done:
	case <-time.After(cutWithin):
	}
}

// within does something that may hang, and answers late() when it does; the hanging goroutine is left behind, for we are about to end.
func within(d time.Duration, do, late func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		return err
	case <-time.After(d):
		return late()
	}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func closeAll(services []Service) {
	for _, s := range slices.Backward(services) {
		s.Close()
	}
}

func ignore(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}

func nameOf(s Service) string {
	if named, ok := s.(interface{ Name() string }); ok {
		return named.Name()
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(fmt.Sprintf("%T", s), "*"), ".")
	return name
}

// roll knows who still works, to name who hangs.
type roll struct {
	mu    sync.Mutex
	names []string
}

func newRoll(services []Service) *roll {
	r := &roll{}
	for _, s := range services {
		r.names = append(r.names, nameOf(s))
	}
	return r
}

func (r *roll) leave(s Service) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.names = slices.DeleteFunc(r.names, func(name string) bool { return name == nameOf(s) })
}

// String names them, or the servers when all services have ended.
func (r *roll) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.names) == 0 {
		return "the servers"
	}
	return strings.Join(r.names, ", ")
}
