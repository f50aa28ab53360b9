// Package run is the life of a process: its command line, its servers, and the one order in which everything stops.
package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	"github.com/tidemark/tidemark/kit/rpc"
)

// Service is what a process can run, alone or beside others.
type Service interface {
	// Name is the service's short name: "watermark".
	Name() string
	// Register adds its handlers; called once, before Run.
	Register(grpc.ServiceRegistrar)
	// Run works until ctx ends, then returns nil. Returning earlier stops the process.
	Run(ctx context.Context) error
	// Ready is nil while it makes progress; else its text says to a person why not.
	Ready(ctx context.Context) error
	// Close frees what Open took; called once, after Run.
	Close()
}

// Options of a process.
type Options struct {
	GRPCAddr  string         // host:port
	HTTPAddr  string         // host:port of /health, /livez and /metrics
	Listeners []net.Listener // served besides GRPCAddr: a loopback
	Log       *slog.Logger
	Registry  *prometheus.Registry
	Drain     time.Duration                 // between turning not ready and refusing calls, for load balancers
	Grace     time.Duration                 // for calls under way to end; 0 means 3 s
	Version   string                        // shown in /health
	OnListen  func(grpcAddr, http net.Addr) // called once, when both ports are bound
	Mount     map[string]http.Handler       // more for the HTTP port
}

// Serve runs services until ctx ends or one of them fails. It stops in this order: not ready, drain, refuse and finish calls (then cut them),
// end the background loops, close in reverse. One death stops the house.
func Serve(ctx context.Context, o Options, services ...Service) error {
	listeners, err := bind(ctx, o)
	if err != nil {
		closeAll(services)
		return err
	}
	server := rpc.NewServer(rpc.ServerOptions{Log: o.Log, Registry: o.Registry})
	h := newHealth(o, services)
	for _, s := range services {
		s.Register(server)
	}
	h.know()
	grpc_health_v1.RegisterHealthServer(server, h.grpc)
	reflection.Register(server)
	if o.OnListen != nil {
		o.OnListen(listeners.grpc.Addr(), listeners.http.Addr())
	}
	return live(ctx, o, services, server, h, listeners)
}

func live(ctx context.Context, o Options, services []Service, server *grpc.Server, h *health, l bound) error {
	loops, endLoops := context.WithCancel(context.WithoutCancel(ctx))
	defer endLoops()
	house, alive := errgroup.WithContext(loops)
	for _, s := range services {
		house.Go(func() error { return ended(alive, s.Name(), s.Run(alive)) })
	}
	admin := &http.Server{Handler: h.mux(), ReadHeaderTimeout: 5 * time.Second}
	house.Go(func() error { return ignore(admin.Serve(l.http), http.ErrServerClosed) })
	for _, listener := range append([]net.Listener{l.grpc}, o.Listeners...) {
		house.Go(func() error { return ignore(server.Serve(listener), grpc.ErrServerStopped) })
	}
	house.Go(func() error { h.poll(alive); return nil })

	select {
	case <-ctx.Done():
	case <-alive.Done(): // somebody died
	}
	h.stopping()
	wait(alive, o.Drain)
	stopCalls(server, o.Grace)
	endLoops()
	_ = admin.Close()
	err := house.Wait()
	closeAll(services)
	return err
}

// ended says whose error it is; ending before being told to is one, too.
func ended(alive context.Context, name string, err error) error {
	if err == nil && alive.Err() == nil {
		err = errors.New("ended by itself")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// stopCalls lets calls end within the grace and cuts the rest.
func stopCalls(server *grpc.Server, grace time.Duration) {
	if grace == 0 {
		grace = 3 * time.Second
	}
	cut := time.AfterFunc(grace, server.Stop)
	defer cut.Stop()
	server.GracefulStop()
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func closeAll(services []Service) {
	for i := len(services) - 1; i >= 0; i-- {
		services[i].Close()
	}
}

func ignore(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}

type bound struct{ grpc, http net.Listener }

func bind(ctx context.Context, o Options) (b bound, err error) {
	if b.grpc, err = listen(ctx, o.GRPCAddr, "--grpc-addr"); err != nil {
		return b, err
	}
	if b.http, err = listen(ctx, o.HTTPAddr, "--http-addr"); err != nil {
		_ = b.grpc.Close()
	}
	return b, err
}

func listen(ctx context.Context, addr, flag string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("address %s is in use: stop what runs there, or choose another with %s", addr, flag)
	} else if err != nil {
		return nil, fmt.Errorf("listen on %s (%s): %w", addr, flag, err)
	}
	return l, nil
}
