package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"github.com/tidemark/tidemark/kit/embedded"
	"github.com/tidemark/tidemark/kit/pg/pgtest"
	"github.com/tidemark/tidemark/services/parser/internal/ingest"
	"github.com/tidemark/tidemark/services/parser/internal/outbox"
	"github.com/tidemark/tidemark/services/parser/internal/postgres"
)

const stream = "tidemark:posts"

func TestMain(m *testing.M) { pgtest.Main(m) }

type house struct {
	pool  *pgxpool.Pool
	redis *redis.Client
}

func open(t testing.TB) house {
	t.Helper()
	p := startRedis(t, t.TempDir())
	t.Cleanup(func() { _ = p.Close() })
	return house{pgtest.New(t, postgres.Schema, postgres.Migrations()), connect(t, p.URL)}
}

func startRedis(t testing.TB, dir string) *embedded.Process {
	t.Helper()
	p, err := embedded.Redis(t.Context(), dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func connect(t testing.TB, url string) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	options.MaxRetries = -1
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// relay runs until the test or stop ends it.
func (h house) relay(t testing.TB, o ingest.Outbox, client *redis.Client) (r *outbox.Relay, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r = outbox.NewRelay(o, client, stream, slog.New(slog.DiscardHandler), nil, func(int) {})
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("relay: %v", err)
		}
	})
	t.Cleanup(stop)
	return r, stop
}

// store commits posts first to last of a channel, a page of 100 at a time.
func (h house) store(t testing.TB, wake func(), channel ingest.ChannelID, first, last ingest.MessageID) {
	t.Helper()
	posts := postgres.NewPosts(h.pool, outbox.Encode, wake)
	for ; first <= last; first += 100 {
		page := ingest.Page{Covered: ingest.Range{First: first, Last: min(first+99, last)}}
		for id := first; id <= page.Covered.Last; id++ {
			page.Posts = append(page.Posts, ingest.Post{Message: id, PostedAt: time.Now(), Text: fmt.Sprintf("post %d, %0200d", id, id)})
		}
		if _, err := posts.SavePage(t.Context(), channel, page, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
}

// until waits for something that happens in another process.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

var digest = regexp.MustCompile(`/[0-9a-f]{12}$`)

// ids of all entries of the stream, in order, without the digests of their contents.
func (h house) ids(t testing.TB) (ids []string) {
	t.Helper()
	entries, err := h.redis.XRange(t.Context(), stream, "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		ids = append(ids, digest.ReplaceAllString(e.Values["id"].(string), ""))
	}
	return ids
}

func (h house) wait(t testing.TB, n int) {
	t.Helper()
	until(t, fmt.Sprintf("%d entries", n), func() bool { return h.redis.XLen(t.Context(), stream).Val() >= int64(n) })
}

func created(channel ingest.ChannelID, first, last ingest.MessageID) (ids []string) {
	for id := first; id <= last; id++ {
		ids = append(ids, fmt.Sprintf("%d/%d/1/post.created", channel, id))
	}
	return ids
}

func TestRelayPublishesInOrder(t *testing.T) {
	t.Parallel()
	h := open(t)
	o := postgres.NewOutbox(h.pool)
	r, stop := h.relay(t, o, h.redis)
	h.store(t, r.Wake, 7, 1, 2500)
	h.wait(t, 2500)
	if got := h.ids(t); !slices.Equal(got, created(7, 1, 2500)) {
		t.Error("the entries are not in the order of commit")
	}
	entries, err := h.redis.XRangeN(t.Context(), stream, "-", "+", 1).Result()
	if err != nil {
		t.Fatal(err)
	}
	if v := entries[0].Values; v["kind"] != "post.created" || v["channel"] != "7" || v["message"] != "1" || len(v["event"].(string)) < 200 {
		t.Errorf("got fields %v", v)
	}
	until(t, "all marked as sent", func() bool { b, err := o.Backlog(t.Context()); return err == nil && b.Unsent == 0 })
	stop()
	h.store(t, func() {}, 7, 2501, 2600)
	if b, err := o.Backlog(t.Context()); err != nil || b.Unsent != 100 || b.Oldest.IsZero() {
		t.Errorf("got backlog %+v, %v, want 100 unsent", b, err)
	}
	h.relay(t, o, h.redis)
	h.wait(t, 2600)
	if got := h.ids(t); !slices.Equal(got, created(7, 1, 2600)) {
		t.Error("the next relay did not go on where the last one ended")
	}
}

// narrow is a connection that breaks when a megabyte is sent before anything is answered, as one does that is too slow, or that has a limit.
type narrow struct {
	net.Conn
	unanswered atomic.Int64
}

func (n *narrow) Write(b []byte) (int, error) {
	if n.unanswered.Add(int64(len(b))) > 1<<20 {
		_ = n.Close()
		return 0, net.ErrClosed
	}
	return n.Conn.Write(b)
}

func (n *narrow) Read(b []byte) (int, error) {
	got, err := n.Conn.Read(b)
	n.unanswered.Store(0)
	return got, err
}

// What is too much at once would be too much for ever: then less is sent. Nothing is sent twice for it, and nothing stands still.
func TestRelayTakesLessWhenABatchIsTooMuch(t *testing.T) {
	t.Parallel()
	h := open(t)
	client := redis.NewClient(&redis.Options{MaxRetries: -1, Addr: h.redis.Options().Addr, Dialer: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		return &narrow{Conn: conn}, err
	}})
	t.Cleanup(func() { _ = client.Close() })
	posts := postgres.NewPosts(h.pool, outbox.Encode, func() {})
	for id := ingest.MessageID(1); id <= 200; id++ {
		p := ingest.Post{Message: id, PostedAt: time.Now(), Text: strings.Repeat("x", 20_000)}
		if _, err := posts.SavePage(t.Context(), 7, ingest.Page{Posts: []ingest.Post{p}, Covered: ingest.Range{First: id, Last: id}}, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	h.relay(t, postgres.NewOutbox(h.pool), client)
	h.wait(t, 200)
	if got := h.ids(t); !slices.Equal(got, created(7, 1, 200)) {
		t.Errorf("got %d entries, want each once and in order", len(got))
	}
}

// A transaction that began before others and commits after them is not skipped, and nothing of it comes late within its channel.
func TestRelaySkipsNoSlowTransaction(t *testing.T) {
	t.Parallel()
	h := open(t)
	tx, err := h.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `INSERT INTO parser.events (tx, channel_id, message_id, revision, kind, recorded_at, event)
		VALUES (pg_current_xact_id(), 8, 1, 1, 'post.created', now(), '\x0a12'::bytea || '8/1/1/post.created')`); err != nil {
		t.Fatal(err)
	}
	r, _ := h.relay(t, postgres.NewOutbox(h.pool), h.redis)
	h.store(t, r.Wake, 7, 1, 100)
	lead := postgres.NewOutbox(h.pool)
	until(t, "the relay to lead", func() bool {
		l, leads, err := lead.Lead(t.Context())
		if leads {
			l.Close()
		}
		return err == nil && !leads
	})
	if n := h.redis.XLen(t.Context(), stream).Val(); n != 0 {
		t.Errorf("%d events overtook a transaction that is older", n)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.wait(t, 101)
	if got := h.ids(t); !slices.Equal(got, append(created(8, 1, 1), created(7, 1, 100)...)) {
		t.Errorf("got %d entries in another order", len(got))
	}
}

// crashing is an outbox whose lead dies before it can mark what was sent.
type crashing struct {
	ingest.Outbox
	died chan struct{}
}

type crashingLead struct {
	ingest.Lead
	died chan struct{}
}

func (c crashing) Lead(ctx context.Context) (ingest.Lead, bool, error) {
	l, leads, err := c.Outbox.Lead(ctx)
	select {
	case <-c.died: // the second time it lives
		return l, leads, err
	default:
		return crashingLead{l, c.died}, leads, err
	}
}

func (c crashingLead) Next(ctx context.Context, sent int64, limit int) ([]ingest.Outgoing, error) {
	if sent > 0 {
		close(c.died)
		return nil, errors.New("the power is out")
	}
	return c.Lead.Next(ctx, sent, limit)
}

func TestRelayRepeatsWhatWasNotMarked(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.store(t, func() {}, 7, 1, 300)
	h.relay(t, crashing{postgres.NewOutbox(h.pool), make(chan struct{})}, h.redis)
	until(t, "the same events again, by the same ids", func() bool { // before the crash a part may go out: transactions of other tests hold the rest back
		got := h.ids(t)
		return len(got) > 300 && slices.Equal(got[len(got)-300:], created(7, 1, 300)) && got[0] == created(7, 1, 1)[0]
	})
}

func TestRelayWaitsForRedis(t *testing.T) {
	t.Parallel()
	h, dir := open(t), t.TempDir()
	first := startRedis(t, dir)
	var mu sync.Mutex
	address := connect(t, first.URL).Options().Addr
	client := redis.NewClient(&redis.Options{MaxRetries: -1, Dialer: dialTo(func() string { mu.Lock(); defer mu.Unlock(); return address })})
	t.Cleanup(func() { _ = client.Close() })
	h.redis = client
	r, _ := h.relay(t, postgres.NewOutbox(h.pool), client)
	h.store(t, r.Wake, 7, 1, 100)
	h.wait(t, 100)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	h.store(t, r.Wake, 7, 101, 200)
	second := startRedis(t, dir)
	t.Cleanup(func() { _ = second.Close() })
	mu.Lock()
	address = connect(t, second.URL).Options().Addr
	mu.Unlock()
	until(t, "the events of the time without Redis", func() bool {
		ids, err := client.XRange(t.Context(), stream, "-", "+").Result()
		return err == nil && len(ids) >= 200
	})
	if got := slices.Compact(h.ids(t)); !slices.Equal(got[:100], created(7, 1, 100)) || !slices.Equal(got[len(got)-100:], created(7, 101, 200)) {
		t.Errorf("got %d entries, want 1 to 200 in order", len(got))
	}
}

func TestAWipedStreamIsFilledAgain(t *testing.T) {
	t.Parallel()
	h := open(t)
	r, _ := h.relay(t, postgres.NewOutbox(h.pool), h.redis)
	h.store(t, r.Wake, 7, 1, 300)
	h.wait(t, 300)
	h.wipe(t)
	h.wait(t, 300) // though nothing new comes
	h.store(t, r.Wake, 7, 301, 400)
	h.wait(t, 400)
	if got := h.ids(t); !slices.Equal(got, created(7, 1, 400)) {
		t.Errorf("got %d entries, want 1 to 400 in order", len(got))
	}
}

func TestAWipedStreamIsFilledFromWhereTheSlowestGroupStood(t *testing.T) {
	t.Parallel()
	h := open(t)
	r, _ := h.relay(t, postgres.NewOutbox(h.pool), h.redis)
	for _, group := range []string{"fast", "slow"} {
		if err := h.redis.XGroupCreateMkStream(t.Context(), stream, group, "0").Err(); err != nil {
			t.Fatal(err)
		}
	}
	for page := range ingest.MessageID(3) {
		h.store(t, r.Wake, 7, 100*page+1, 100*page+100)
		h.wait(t, int(100*page+100)) // so each is a batch by itself
	}
	h.read(t, "fast", 300, 300)
	h.read(t, "slow", 250, 150) // what it has not acknowledged it may not have
	until(t, "what all have acknowledged", func() bool {
		var acked int
		err := h.pool.QueryRow(t.Context(), `SELECT e.message_id FROM parser.events e JOIN parser.relay r ON (e.tx, e.id) = (r.acked_tx, r.acked_id)`).Scan(&acked)
		return err == nil && acked == 100
	})
	h.wipe(t)
	h.wait(t, 200)
	if got := h.ids(t); !slices.Equal(got, created(7, 101, 300)) {
		t.Errorf("got %d entries from %s on, want 101 to 300", len(got), got[0])
	}
}

func TestWhatRedisForgotIsPublishedAgain(t *testing.T) {
	t.Parallel()
	h := open(t)
	r, stop := h.relay(t, postgres.NewOutbox(h.pool), h.redis)
	h.store(t, r.Wake, 7, 1, 200)
	h.wait(t, 200)
	stop()
	// as it is when Redis comes back from an older file
	entries, err := h.redis.XRange(t.Context(), stream, "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries[150:] {
		h.redis.XDel(t.Context(), stream, e.ID)
	}
	var place ingest.Place
	if err := h.pool.QueryRow(t.Context(), "SELECT tx, id FROM parser.events WHERE message_id = 150").Scan(&place.Tx, &place.ID); err != nil {
		t.Fatal(err)
	}
	h.redis.Set(t.Context(), "{"+stream+"}:end", place.String(), 0)
	h.relay(t, postgres.NewOutbox(h.pool), h.redis)
	h.wait(t, 200)
	if got := h.ids(t); !slices.Equal(got, created(7, 1, 200)) {
		t.Errorf("got %d entries, want 1 to 200 in order", len(got))
	}
}

func (h house) wipe(t *testing.T) {
	t.Helper()
	if err := h.redis.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
}

// read gives a group n entries, of which it acknowledges some.
func (h house) read(t *testing.T, group string, n, acked int64) {
	t.Helper()
	got, err := h.redis.XReadGroup(t.Context(), &redis.XReadGroupArgs{Group: group, Consumer: "c", Streams: []string{stream, ">"}, Count: n}).Result()
	if err != nil || int64(len(got[0].Messages)) != n {
		t.Fatalf("read %v, %v", got, err)
	}
	for _, m := range got[0].Messages[:acked] {
		if err := h.redis.XAck(t.Context(), stream, group, m.ID).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOnlyOneRelayLeads(t *testing.T) {
	t.Parallel()
	h := open(t)
	o := postgres.NewOutbox(h.pool)
	r1, stop1 := h.relay(t, o, h.redis)
	r2, _ := h.relay(t, o, h.redis)
	wake := func() { r1.Wake(); r2.Wake() }
	h.store(t, wake, 7, 1, 200)
	h.wait(t, 200)
	until(t, "all marked as sent", func() bool { b, err := o.Backlog(t.Context()); return err == nil && b.Unsent == 0 })
	stop1() // whoever led, one is left
	h.store(t, wake, 7, 201, 400)
	h.wait(t, 400)
	if got := h.ids(t); !slices.Equal(got, created(7, 1, 400)) {
		t.Error("two relays published at once, or none took over in order")
	}
}

func BenchmarkRelay(b *testing.B) {
	h := open(b)
	const events = 100_000
	h.store(b, func() {}, 7, 1, events)
	for b.Loop() {
		if _, err := h.pool.Exec(b.Context(), "UPDATE parser.relay SET tx = '0', id = 0"); err != nil {
			b.Fatal(err)
		}
		h.redis.Del(b.Context(), stream)
		_, stop := h.relay(b, postgres.NewOutbox(h.pool), h.redis)
		h.wait(b, events)
		stop()
	}
	b.ReportMetric(float64(b.N)*events/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkEncode(b *testing.B) {
	views := int32(7)
	post := &ingest.Post{Channel: 7, Message: 9, Revision: 1, PostedAt: time.Now(), Text: fmt.Sprintf("%0300d", 1), Views: &views, Forwards: &views,
		Entities: []ingest.Entity{{Kind: "bold", Length: 7}}, Media: &ingest.Media{Kind: ingest.MediaPhoto, FileID: 1 << 60}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := outbox.Encode(ingest.Event{Channel: 7, Message: 9, Revision: 1, Kind: ingest.Created, RecordedAt: time.Now(), Post: post}); err != nil {
			b.Fatal(err)
		}
	}
}
