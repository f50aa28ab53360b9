package watermark_test

import (
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	watermarkv1 "github.com/tidemark/tidemark/gen/tidemark/watermark/v1"
	"github.com/tidemark/tidemark/kit/embedded"
)

// gate is a road to Redis that can be cut, and opened again with all that Redis kept.
type gate struct {
	mu     sync.Mutex
	target string
	cut    bool
	conns  []net.Conn
}

// newGate answers a gate before a real Redis, and the URL that leads through it.
func newGate(t *testing.T) (*gate, string) {
	t.Helper()
	p, err := embedded.Redis(t.Context(), t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	g := &gate{target: strings.TrimSuffix(strings.TrimPrefix(p.URL, "redis://"), "/0")}
	t.Cleanup(func() { g.set(true) })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			g.join(c)
		}
	}()
	return g, "redis://" + l.Addr().String() + "/0"
}

func (g *gate) join(in net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	out, err := net.Dial("tcp", g.target)
	if g.cut || err != nil {
		_ = in.Close()
		return
	}
	g.conns = append(g.conns, in, out)
	go func() { _, _ = io.Copy(out, in); _ = out.Close() }()
	go func() { _, _ = io.Copy(in, out); _ = in.Close() }()
}

// set cuts the road, or opens it.
func (g *gate) set(cut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cut = cut
	for _, c := range g.conns {
		_ = c.Close()
	}
	g.conns = nil
}

// What was written while Redis was away is what is read when it is back, with all its old copies.
func TestARedisThatComesBackAnswersNothingOld(t *testing.T) {
	t.Parallel()
	road, url := newGate(t)
	c, ctx := open(t, url), t.Context()
	if err := advanceTo(ctx, c, 10); err != nil {
		t.Fatal(err)
	}
	for range 3 { // until a copy lies in Redis
		if _, err := head(ctx, c); err != nil {
			t.Fatal(err)
		}
	}

	road.set(true)
	if err := advanceTo(ctx, c, 20); err != nil {
		t.Fatalf("advance without Redis: %v", err)
	}
	road.set(false)
	for range 20 { // through every connection that the pool has to notice as dead
		if got, err := head(ctx, c); err != nil || got != 20 {
			t.Fatalf("after an advance: got head %d, %v, want 20", got, err)
		}
	}

	got, err := c.GetWatermark(ctx, &watermarkv1.GetWatermarkRequest{ChannelId: 1})
	if err != nil {
		t.Fatal(err)
	}
	road.set(true)
	if _, err := c.RewindWatermark(ctx, &watermarkv1.RewindWatermarkRequest{ChannelId: 1, All: true, Reason: "test", Etag: got.GetWatermark().GetEtag()}); err != nil {
		t.Fatalf("rewind without Redis: %v", err)
	}
	road.set(false)
	for range 20 {
		if got, err := head(ctx, c); err != nil || got != 0 {
			t.Fatalf("after a rewind: got head %d, %v, want 0", got, err)
		}
	}
}

// A batch pays for a missing Redis once, not once per mark.
func TestABatchWithoutRedisIsNotSlow(t *testing.T) {
	t.Parallel()
	c, ctx := open(t, "redis://127.0.0.1:1/0"), t.Context()
	req := &watermarkv1.BatchAdvanceWatermarksRequest{}
	for id := range int64(60) {
		req.Requests = append(req.Requests, &watermarkv1.AdvanceWatermarkRequest{ChannelId: id + 1, Covered: ids(1, 5)})
	}
	began := time.Now()
	if _, err := c.BatchAdvanceWatermarks(ctx, req); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("a batch of 60 took %v", took)
	}
}
