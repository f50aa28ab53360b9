package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// What comes from the moment or from us must never be blamed on a message.
func TestWhatIsPoison(t *testing.T) {
	t.Parallel()
	code := func(c string) error { return fmt.Errorf("copy: %w", &pgconn.PgError{Code: c}) }
	for name, tc := range map[string]struct {
		err  error
		want bool
	}{
		"out of range":         {code("22008"), true},
		"no such character":    {code("22021"), true},
		"a check":              {code("23514"), true},
		"too much for a value": {code("54000"), true},
		"no event":             {fmt.Errorf("write: %w", &encodeError{7, errors.New("too large")}), true},
		"disk full":            {code("53100"), false},
		"out of memory":        {code("53200"), false},
		"shut down":            {code("57P01"), false},
		"statement timeout":    {code("57014"), false},
		"serialization":        {code("40001"), false},
		"a deadlock":           {code("40P01"), false},
		"lock timeout":         {code("55P03"), false},
		"read only":            {code("25006"), false},
		"no such column":       {code("42703"), false},
		"connection lost":      {code("08006"), false},
		"gone in mid word":     {io.ErrUnexpectedEOF, false},
		"no code":              {&pgconn.PgError{}, false},
		"the caller's time":    {context.DeadlineExceeded, false},
		"nothing":              {nil, false},
	} {
		if got := isPoison(tc.err); got != tc.want {
			t.Errorf("%s: got %t, want %t", name, got, tc.want)
		}
	}
}
