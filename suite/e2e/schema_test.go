package e2e

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tidemark/tidemark/services/parser/tgsim"
)

// Every instant in our tables is a timestamptz: no other type of time, and no text or number behind a name that promises an instant.
func TestEveryInstantInPostgresIsATimestamptz(t *testing.T) {
	h := build(t, tgsim.Spec{Seed: 21, Messages: 5, End: end})
	db, err := pgx.Connect(t.Context(), h.stores.DatabaseURL.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close(context.WithoutCancel(t.Context())) }()
	rows, err := db.Query(t.Context(), `SELECT table_schema || '.' || table_name || '.' || column_name, data_type,
		data_type <> 'timestamp with time zone' AND (data_type ~ '^(timestamp|date|time)' OR column_name ~ '(^|_)(at|time|date|since|until|before|after)$')
		FROM information_schema.columns WHERE table_schema IN ('parser', 'scheduler', 'watermark') AND table_name <> 'goose_db_version'`) // goose's own table is goose's
	if err != nil {
		t.Fatal(err)
	}
	var name, kind string
	var wrong bool
	instants := 0
	_, err = pgx.ForEachRow(rows, []any{&name, &kind, &wrong}, func() error {
		if wrong {
			t.Errorf("%s is %s, want timestamptz", name, kind)
		}
		if kind == "timestamp with time zone" {
			instants++
		}
		return nil
	})
	if err != nil || instants < 20 {
		t.Errorf("found %d instants, %v: the look itself is broken", instants, err)
	}
}
