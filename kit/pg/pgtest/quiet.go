package pgtest

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidemark/tidemark/kit/env"
)

// settle is how long statements under way may take to end.
const settle = 20 * time.Second

// Quiet fails the test unless all connections of app to a database come to rest: none has a transaction open, none works.
func Quiet(t testing.TB, url env.Secret, app string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	var busy string
	patience, cancel := context.WithTimeout(t.Context(), settle)
	defer cancel()
	for rest := 0; rest < 3; rest++ {
		err := conn.QueryRow(t.Context(), `SELECT coalesce(string_agg(state || ': ' || query, E'\n'), '') FROM pg_stat_activity
			WHERE application_name = $1 AND datname = current_database() AND state <> 'idle'`, app).Scan(&busy)
		if err != nil {
			t.Fatal(err)
		}
		if busy == "" {
			continue
		}
		if rest = -1; patience.Err() != nil {
			t.Errorf("connections of %s do not come to rest:\n%s", app, busy)
			return
		}
	}
}
