package watermark_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	"github.com/tidemark/tidemark/kit/pg/pgtest"
	"github.com/tidemark/tidemark/kit/rpc/rpctest"
	"github.com/tidemark/tidemark/services/watermark"
)

// FuzzCalls: whatever a client sends, on a real Postgres, which is what takes offence.
func FuzzCalls(f *testing.F) {
	s, err := watermark.Open(f.Context(), watermark.Config{DatabaseURL: pgtest.Empty(f), MaxConns: 2},
		watermark.Deps{Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(), Now: time.Now})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(s.Close)
	rpctest.Fuzz(f, func(r grpc.ServiceRegistrar) { s.Register(r) })
}
