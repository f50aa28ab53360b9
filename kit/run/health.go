package run

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"google.golang.org/grpc"
	grpchealth "google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
)

const (
	// pollEvery is how fresh health is.
	pollEvery = time.Second
	// pollWithin bounds one question to a service.
	pollWithin = 3 * time.Second
	serving    = "SERVING"
	notServing = "NOT_SERVING"
)

// state is one service's health as /health shows it.
type state struct {
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
}

// health reports progress, not that a process exists: it asks each service's Ready.
type health struct {
	options  Options
	services []Service
	grpc     *grpchealth.Server
	names    map[string][]string // gRPC service names by our service's name

	mu     sync.Mutex
	states map[string]state
	down   bool
}

func newHealth(o Options, services []Service) *health {
	h := &health{options: o, services: services, grpc: grpchealth.NewServer(), names: map[string][]string{}, states: map[string]state{}}
	h.grpc.SetServingStatus("", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	for _, s := range services {
		h.states[nameOf(s)] = state{notServing, "starting"}
		h.learn(s, nameOf(s))
	}
	return h
}

// learn makes a name that a health check may ask for stand for a service of ours.
func (h *health) learn(s Service, name string) {
	h.names[nameOf(s)] = append(h.names[nameOf(s)], name)
	h.grpc.SetServingStatus(name, grpc_health_v1.HealthCheckResponse_NOT_SERVING)
}

// registrar passes handlers on to the server and learns which gRPC services are s's.
func (h *health) registrar(server grpc.ServiceRegistrar, s Service) grpc.ServiceRegistrar {
	return registrar{server, func(name string) { h.learn(s, name) }}
}

type registrar struct {
	grpc.ServiceRegistrar
	learn func(name string)
}

// RegisterService notes the name.
func (r registrar) RegisterService(d *grpc.ServiceDesc, impl any) {
	r.learn(d.ServiceName)
	r.ServiceRegistrar.RegisterService(d, impl)
}

// watch asks a service every second; one that hangs is not ready, and is not asked twice at once.
func (h *health) watch(ctx context.Context, s Service) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		h.ask(ctx, s)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (h *health) ask(ctx context.Context, s Service) {
	bounded, cancel := context.WithTimeout(ctx, pollWithin)
	defer cancel()
	var problem error
	answered := make(chan struct{})
	go func() { problem = s.Ready(bounded); close(answered) }()
	select {
	case <-answered:
		h.set(nameOf(s), problem)
		return
	case <-bounded.Done():
		h.set(nameOf(s), fmt.Errorf("does not say within %s whether it is ready", pollWithin))
	}
	select { // one question at a time
	case <-answered:
	case <-ctx.Done():
	}
}

func (h *health) set(name string, problem error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.down {
		return
	}
	now := state{Status: serving}
	if problem != nil {
		now = state{notServing, Line(problem)}
	}
	if before := h.states[name]; before != now {
		level := slog.LevelInfo
		if now.Status != serving {
			level = slog.LevelWarn
		}
		h.options.Log.Log(context.Background(), level, "health", "service", name, "status", now.Status, "reason", now.Reason)
	}
	h.states[name] = now
	for _, n := range h.names[name] {
		h.grpc.SetServingStatus(n, grpcStatus(now.Status))
	}
	h.grpc.SetServingStatus("", grpcStatus(h.overall()))
}

func (h *health) overall() string {
	for _, s := range h.states {
		if s.Status != serving {
			return notServing
		}
	}
	return serving
}

func grpcStatus(s string) grpc_health_v1.HealthCheckResponse_ServingStatus {
	if s == serving {
		return grpc_health_v1.HealthCheckResponse_SERVING
	}
	return grpc_health_v1.HealthCheckResponse_NOT_SERVING
}

// stopping turns everything not ready, for good.
func (h *health) stopping() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down = true
	for name := range h.states {
		h.states[name] = state{notServing, "stopping"}
	}
	h.grpc.Shutdown()
}

func (h *health) mux() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(h.options.Registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /health", h.serve)
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("alive\n")) })
	for pattern, handler := range h.options.Mount {
		mux.Handle(pattern, handler)
	}
	return mux
}

func (h *health) serve(w http.ResponseWriter, _ *http.Request) {
	h.mu.Lock()
	overall, states := h.overall(), maps.Clone(h.states)
	h.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if overall != serving {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"status": overall, "version": h.options.Version, "services": states})
}
