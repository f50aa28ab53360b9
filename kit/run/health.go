package run

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/prometheus/client_golang/prometheus"
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

// Noter is a Service that is ready and still has something to say to a person, as that a cache is away. "" is nothing. It is asked after Ready.
type Noter interface {
	Note(ctx context.Context) string
}

// state is one service's health as /health shows it: a reason when it is not serving, perhaps a note when it is.
type state struct {
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
	Note   string `json:"note,omitempty"`
}

// sameAs leaves numbers aside: an age that grows is no news.
func (s state) sameAs(other state) bool {
	still := func(text string) string {
		return strings.Map(func(r rune) rune {
			if unicode.IsDigit(r) {
				return -1
			}
			return r
		}, text)
	}
	return s.Status == other.Status && still(s.Reason) == still(other.Reason) && still(s.Note) == still(other.Note)
}

// health reports progress, not that a process exists: it asks each service's Ready.
type health struct {
	options  Options
	services []Service
	grpc     *grpchealth.Server
	names    map[string][]string // gRPC service names by our service's name
	ready    *prometheus.GaugeVec

	mu     sync.Mutex
	states map[string]state
	down   bool
}

func newHealth(o Options, services []Service) *health {
	h := &health{
		options: o, services: services, grpc: grpchealth.NewServer(), names: map[string][]string{}, states: map[string]state{},
		ready: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "tidemark_ready", Help: "1 while the service says that it makes progress, else 0; /health says why."}, []string{"service"}),
	}
	o.Registry.MustRegister(h.ready)
	h.grpc.SetServingStatus("", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	for _, s := range services {
		h.states[nameOf(s)] = state{Status: notServing, Reason: "starting"}
		h.ready.WithLabelValues(nameOf(s)).Set(0)
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
	var said state
	answered := make(chan struct{})
	go func() { said = judge(bounded, s); close(answered) }()
	select {
	case <-answered:
		h.set(nameOf(s), said)
		return
	case <-bounded.Done():
		h.set(nameOf(s), state{Status: notServing, Reason: fmt.Sprintf("does not say within %s whether it is ready", pollWithin)})
	}
	select { // one question at a time
	case <-answered:
	case <-ctx.Done():
	}
}

func judge(ctx context.Context, s Service) state {
	if problem := s.Ready(ctx); problem != nil {
		return state{Status: notServing, Reason: Line(problem)}
	}
	now := state{Status: serving}
	if n, ok := s.(Noter); ok {
		now.Note = n.Note(ctx)
	}
	return now
}

func (h *health) set(name string, now state) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.down {
		return
	}
	if !now.sameAs(h.states[name]) {
		level := slog.LevelInfo
		if now.Status != serving {
			level = slog.LevelWarn
		}
		h.options.Log.Log(context.Background(), level, "health", "service", name, "status", now.Status, "reason", now.Reason, "note", now.Note)
	}
	h.states[name] = now
	h.ready.WithLabelValues(name).Set(map[string]float64{serving: 1}[now.Status])
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
		h.states[name] = state{Status: notServing, Reason: "stopping"}
		h.ready.WithLabelValues(name).Set(0)
	}
	h.grpc.Shutdown()
}

func (h *health) mux() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(h.options.Registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /health", h.serve)
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("alive\n")) })
	profiles(mux)
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
