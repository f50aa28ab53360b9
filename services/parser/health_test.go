package parser

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"

	"github.com/tidemark/tidemark/kit/embedded"
	"github.com/tidemark/tidemark/kit/env"
	"github.com/tidemark/tidemark/kit/pg/pgtest"
)

// clinic is a parser whose accounts are what the test says: it is open and does not run.
type clinic struct {
	*testing.T
	*Service
	clock    time.Time
	registry *prometheus.Registry
}

func openClinic(t *testing.T, c Config) *clinic {
	t.Helper()
	k := &clinic{T: t, clock: time.Now(), registry: prometheus.NewRegistry()}
	var err error
	k.Service, err = Open(t.Context(), c, Deps{Log: slog.New(slog.DiscardHandler), Registry: k.registry, Now: func() time.Time { return k.clock }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

func (k *clinic) exec(sql string, args ...any) {
	k.Helper()
	if _, err := k.pool.Exec(k.Context(), sql, args...); err != nil {
		k.Fatal(err)
	}
}

func (k *clinic) account(id int64, state string) {
	k.Helper()
	k.exec(`INSERT INTO parser.accounts (id, username, masked_phone, state, session, lease_token, created_at) VALUES ($1, '', '', $2, '', 1, now())
		ON CONFLICT (id) DO UPDATE SET state = excluded.state`, id, state)
}

// says wants a reason and a note with these words in them; "" wants none.
func (k *clinic) says(when, reason, note string) {
	k.Helper()
	text := ""
	if err := k.Ready(k.Context()); err != nil {
		text = err.Error()
	}
	if !strings.Contains(text, reason) || (reason == "") != (text == "") {
		k.Errorf("%s: got reason %q, want %q", when, text, reason)
	}
	if got := k.Note(k.Context()); !strings.Contains(got, note) || (note == "") != (got == "") {
		k.Errorf("%s: got note %q, want %q", when, got, note)
	}
}

func TestReadyNeedsAnAccountThatReads(t *testing.T) {
	t.Parallel()
	k := openClinic(t, config(t))
	k.says("no account at all", "", "tidemark login")
	for _, state := range []string{"revoked", "banned", "frozen"} {
		k.account(1, state)
		k.says(state, "none of 1 accounts can read: 1 "+state+"; log one in with `tidemark login`", "")
	}
	k.account(2, "active")
	k.says("one of two", "", "1 of 2 accounts cannot read: 1 frozen")

	k.exec("INSERT INTO parser.floods VALUES (2, 'contacts.resolveUsername', $1, $2)", k.clock, k.clock.Add(24*time.Hour))
	k.says("a wait for what can be spared", "", "1 frozen")
	k.exec("INSERT INTO parser.floods VALUES (2, 'messages.getHistory', $1, $2)", k.clock, k.clock.Add(time.Hour))
	k.says("the other must wait", "none of 2 accounts can read: 1 frozen, 1 flooded; Telegram lets the first read again at "+k.clock.Add(time.Hour).UTC().Format(time.RFC3339), "")
	k.clock = k.clock.Add(time.Hour + time.Second)
	k.says("the wait is over", "", "1 frozen")
	k.account(1, "active")
	k.says("all is well", "", "")
}

// A connection that comes and goes is nothing to wake anybody for.
func TestReadyAllowsAMomentToReconnect(t *testing.T) {
	t.Parallel()
	k := openClinic(t, config(t))
	k.account(1, "active")
	k.says("connected", "", "")
	k.account(1, "unreachable")
	k.says("at once", "", "")
	k.clock = k.clock.Add(10 * time.Second)
	k.says("for ten seconds", "", "")
	k.clock = k.clock.Add(10 * time.Second)
	k.says("for twenty seconds", "1 unreachable; Telegram does not answer", "")
	k.account(1, "active")
	k.says("again", "", "")
	k.account(1, "unreachable")
	k.says("and gone again", "", "")
}

func TestReadyNamesEventsThatDoNotGetOut(t *testing.T) {
	t.Parallel()
	k := openClinic(t, config(t))
	k.account(1, "revoked")
	k.exec(`INSERT INTO parser.events (tx, channel_id, message_id, revision, kind, recorded_at, event)
		VALUES (pg_current_xact_id(), 1, 1, 1, 'post.created', $1, '')`, k.clock)
	k.clock = k.clock.Add(59 * time.Second)
	k.says("a minute", "none of 1 accounts", "")
	k.clock = k.clock.Add(2 * time.Second)
	k.says("more", "the oldest waits for 1m1s; check Redis", "")
	k.says("more", "none of 1 accounts", "") // one trouble hides no other
	k.exec("UPDATE parser.relay SET tx = (SELECT max(tx) FROM parser.events), id = (SELECT max(id) FROM parser.events)")
	k.account(1, "active")
	k.says("they got out", "", "")
}

func TestReadyNamesWhatIsAwayAndRecovers(t *testing.T) {
	t.Parallel()
	c := config(t)
	dir := t.TempDir()
	p, err := embedded.Redis(context.WithoutCancel(t.Context()), dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	c.RedisURL = env.Secret(p.URL)
	k := openClinic(t, c)
	k.account(1, "active")
	k.says("all there", "", "")
	back := pgtest.Away(t, c.DatabaseURL)
	k.says("without Postgres", "Postgres does not answer", "")
	back()
	k.says("with Postgres", "", "")
	if err := k.redis.Do(t.Context(), "CLIENT", "PAUSE", "1500", "ALL").Err(); err != nil {
		t.Fatal(err)
	}
	k.says("with a Redis that hangs", "Redis does not answer", "")
	if err := k.redis.Ping(context.WithoutCancel(t.Context())).Err(); err != nil { // until it goes on
		t.Fatal(err)
	}
	k.says("with a Redis that goes on", "", "")
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	k.says("without Redis", "Redis does not answer", "")
	again, err := embedded.Redis(context.WithoutCancel(t.Context()), dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = again.Close() })
	options, err := redis.ParseURL(again.URL) // perhaps elsewhere
	if err != nil {
		t.Fatal(err)
	}
	k.redis = redis.NewClient(options)
	k.says("with Redis", "", "")
}

func TestStatesAreShown(t *testing.T) {
	t.Parallel()
	k := openClinic(t, config(t))
	k.account(1, "active")
	k.account(2, "revoked")
	k.account(3, "active")
	k.exec("INSERT INTO parser.floods VALUES (3, 'messages.getHistory', $1, $2)", k.clock, k.clock.Add(time.Hour))
	k.exec("INSERT INTO parser.quarantine (channel_id, message_id, raw, problem, first_seen_at, last_seen_at, failures) VALUES (1, 1, '', '', now(), now(), 2)")
	k.exec(`INSERT INTO parser.events (tx, channel_id, message_id, revision, kind, recorded_at, event)
		VALUES (pg_current_xact_id(), 1, 1, 1, 'post.created', $1, '')`, k.clock.Truncate(time.Millisecond))
	k.clock = k.clock.Truncate(time.Millisecond).Add(7 * time.Second)
	for range 3 {
		if err := k.redis.XAdd(t.Context(), &redis.XAddArgs{Stream: k.config.Stream, Values: []string{"a", "b"}}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.redis.XGroupCreate(t.Context(), k.config.Stream, "us", "0").Err(); err != nil {
		t.Fatal(err)
	}
	if err := k.redis.XReadGroup(t.Context(), &redis.XReadGroupArgs{Group: "us", Consumer: "me", Streams: []string{k.config.Stream, ">"}, Count: 2}).Err(); err != nil {
		t.Fatal(err)
	}
	want := `
# HELP parser_accounts Accounts by what keeps them from reading: revoked, banned, frozen, unreachable, flooded (told to wait for more than a minute), or active for nothing.
# TYPE parser_accounts gauge
parser_accounts{state="active"} 1
parser_accounts{state="banned"} 0
parser_accounts{state="flooded"} 1
parser_accounts{state="frozen"} 0
parser_accounts{state="revoked"} 1
parser_accounts{state="unreachable"} 0
# HELP parser_outbox_oldest_seconds Age of the oldest event that waits to be published, 0 when none does.
# TYPE parser_outbox_oldest_seconds gauge
parser_outbox_oldest_seconds 7
# HELP parser_outbox_unsent Events that wait to be published, counted up to a million.
# TYPE parser_outbox_unsent gauge
parser_outbox_unsent 1
# HELP parser_quarantined Messages that could not be read and are kept as raw bytes.
# TYPE parser_quarantined gauge
parser_quarantined 1
# HELP parser_stream_lag Events in the stream that a consumer group has not been given yet.
# TYPE parser_stream_lag gauge
parser_stream_lag{group="us"} 1
# HELP parser_stream_length Events in the Redis stream.
# TYPE parser_stream_length gauge
parser_stream_length 3
# HELP parser_stream_pending Events that a consumer group was given and has not acknowledged.
# TYPE parser_stream_pending gauge
parser_stream_pending{group="us"} 2
`
	var names []string
	for _, g := range gauges {
		names = append(names, g.Name)
	}
	if err := testutil.GatherAndCompare(k.registry, strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
}
