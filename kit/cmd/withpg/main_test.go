package main

import (
	"context"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestExitCodes(t *testing.T) {
	t.Parallel()
	given := []string{"PATH=/usr/bin:/bin", variable + "=postgres://given"}
	for name, tc := range map[string]struct {
		args []string
		code int
		want string
	}{
		"passed on":           {[]string{"sh", "-c", "exit 7"}, 7, ""},
		"behind two dashes":   {[]string{"--", "sh", "-c", "exit 7"}, 7, ""},
		"killed":              {[]string{"sh", "-c", "kill -9 $$"}, 137, ""},
		"no such command":     {[]string{"/nowhere/at-all"}, 127, "withpg: "},
		"nothing to run":      {nil, 2, "withpg: give the command to run: withpg COMMAND [ARGUMENT...]\n"},
		"a server is there":   {[]string{"sh", "-c", "echo $TEST_DATABASE_URL"}, 0, "postgres://given\n"},
		"only dashes, no run": {[]string{"--"}, 2, "withpg: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			if code := run(t.Context(), tc.args, given, &out, &out); code != tc.code || !strings.HasPrefix(out.String(), tc.want) {
				t.Errorf("got %d %q, want %d %q", code, out.String(), tc.code, tc.want)
			}
		})
	}
}

func TestTheServerLivesAsLongAsTheCommand(t *testing.T) {
	t.Parallel()
	read, write := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"sh", "-c", "echo $TEST_DATABASE_URL; exec sleep 600"}, []string{"PATH=/usr/bin:/bin"}, write, io.Discard)
	}()
	line := make([]byte, 200)
	n, err := read.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	address := strings.TrimSpace(string(line[:n]))
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatalf("the server that was named: %v", err)
	}
	_ = conn.Close(t.Context())
	began := time.Now()
	cancel()
	if code := <-ended; code != 128+15 || time.Since(began) > 8*time.Second {
		t.Errorf("ended with %d after %s, want 143 soon", code, time.Since(began))
	}
	if conn, err := pgx.Connect(t.Context(), address); err == nil {
		_ = conn.Close(t.Context())
		u, _ := url.Parse(address)
		t.Errorf("the server on %s is still there", u.Host)
	}
}
