package rpc_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	parserv1 "github.com/tidemark/tidemark/gen/tidemark/parser/v1"
	"github.com/tidemark/tidemark/kit/rpc/rpctest"
	"github.com/tidemark/tidemark/services/parser/internal/account"
	"github.com/tidemark/tidemark/services/parser/internal/account/accounttest"
	"github.com/tidemark/tidemark/services/parser/internal/ingest"
	"github.com/tidemark/tidemark/services/parser/internal/ingest/ingesttest"
	"github.com/tidemark/tidemark/services/parser/internal/rpc"
)

// FuzzCalls: whatever a client sends to the parser's services, over a small channel and stores in memory.
func FuzzCalls(f *testing.F) {
	world := &ingesttest.World{Channel: 1, Messages: map[ingest.MessageID]ingesttest.Message{}, Top: 25, PageSize: 10}
	for id := ingest.MessageID(1); id <= world.Top; id++ {
		world.Messages[id] = ingesttest.Message{}
	}
	store, accounts, log := ingesttest.NewMemory(), accounttest.NewStore(), slog.New(slog.DiscardHandler)
	rpctest.Fuzz(f, func(r grpc.ServiceRegistrar) {
		parser := rpc.NewParserServer(world, ingest.New(world, store, time.Now), log, rpc.NewMetrics(prometheus.NewRegistry()))
		parserv1.RegisterParserServiceServer(r, parser)
		parserv1.RegisterPostServiceServer(r, rpc.NewPostServer(store))
		parserv1.RegisterQuarantineServiceServer(r, rpc.NewQuarantineServer(store, store, parser))
		parserv1.RegisterAccountServiceServer(r, rpc.NewAccountServer(&logins{err: account.ErrNoLogin}, accounts, func() time.Time { return accountNow }))
	})
}
