package pg_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/tidemark/tidemark/kit/pg"
	"github.com/tidemark/tidemark/kit/pg/pgtest"
	"github.com/tidemark/tidemark/kit/telemetry/telemetrytest"
)

func TestWhatIsAskedInATrace(t *testing.T) {
	t.Parallel()
	traces, sent := telemetrytest.Open(t)
	pool, err := pg.Open(t.Context(), pgtest.Empty(t), pg.Options{Traces: traces})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	exec := func(statement string, args ...any) { _, _ = pool.Exec(t.Context(), statement, args...) }
	exec("CREATE TABLE public.things (name text PRIMARY KEY)") // of no trace
	ctx, span := traces.Tracer("test").Start(t.Context(), "work")
	for range 2 {
		_, _ = pool.Exec(ctx, "INSERT INTO public.things VALUES ($1)", "a secret")
	}
	var n int
	_ = pool.QueryRow(ctx, "-- name: CountThings :one\nSELECT count(*) FROM public.things WHERE name = $1", "a secret").Scan(&n)
	_, _ = pool.Exec(ctx, "SELECT 'a secret'::integer")
	var b pgx.Batch
	b.Queue("UPDATE public.things SET name = $1", "another secret")
	b.Queue("DELETE FROM public.things")
	if err := pool.SendBatch(ctx, &b).Close(); err != nil {
		t.Fatal(err)
	}
	span.End()
	var got []string
	for _, s := range sent() {
		name := s.GetName()
		for _, a := range s.GetAttributes() {
			if a.GetKey() == "db.response.status_code" {
				name += " " + a.GetValue().GetStringValue()
			}
		}
		got = append(got, name)
		if strings.Contains(s.String(), "secret") {
			t.Errorf("a span says too much: %s", s)
		}
	}
	want := []string{
		"postgres INSERT public.things", "postgres INSERT public.things 23505", "postgres CountThings", "postgres SELECT 22P02", "postgres UPDATE public.things, DELETE public.things", "work",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
}
