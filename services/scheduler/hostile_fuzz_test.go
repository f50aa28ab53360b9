package scheduler_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	parserv1 "github.com/tidemark/tidemark/gen/tidemark/parser/v1"
	typev1 "github.com/tidemark/tidemark/gen/tidemark/type/v1"
	watermarkv1 "github.com/tidemark/tidemark/gen/tidemark/watermark/v1"
	"github.com/tidemark/tidemark/kit/pg/pgtest"
	"github.com/tidemark/tidemark/kit/rpc/rpctest"
	"github.com/tidemark/tidemark/services/scheduler"
)

// FuzzCalls: whatever a client sends, on a real Postgres, which is what takes offence. The service's loops do not run: they have no say in an answer.
func FuzzCalls(f *testing.F) {
	peers := loop(f, func(r grpc.ServiceRegistrar) {
		t := &telegram{covered: map[int64][]*typev1.IdRange{}}
		parserv1.RegisterParserServiceServer(r, t)
		watermarkv1.RegisterWatermarkServiceServer(r, t)
	})
	s, err := scheduler.Open(f.Context(), scheduler.Config{DatabaseURL: pgtest.Empty(f), Tick: time.Minute, Workers: 1, SlicePages: 5, RunTimeout: 10 * time.Second},
		scheduler.Deps{Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(), Now: time.Now, Parser: peers, Watermark: peers})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(s.Close)
	rpctest.Fuzz(f, func(r grpc.ServiceRegistrar) { s.Register(r) })
}
