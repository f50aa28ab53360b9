package embedded

import (
	"log/slog"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
)

var quiet = slog.New(slog.DiscardHandler)

func TestPostgresKeepsItsDataOverARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for round, sql := range []string{"CREATE TABLE t AS SELECT 42 AS n", "SELECT n FROM t"} {
		p, err := Postgres(t.Context(), dir, PostgresOptions{Fast: true}, quiet)
		if err != nil {
			t.Fatal(err)
		}
		query(t, p.URL, sql)
		began := time.Now()
		if err := p.Close(); err != nil || time.Since(began) > stopWithin {
			t.Errorf("round %d: closed with %v after %s", round, err, time.Since(began))
		}
	}
}

func TestAServerLeftBehindIsNoObstacle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p, err := Postgres(t.Context(), dir, PostgresOptions{Fast: true}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	leaveBehind(t, filepath.Join(dir, "postgres"))
	again, err := Postgres(t.Context(), dir, PostgresOptions{Fast: true}, quiet)
	if err != nil {
		t.Fatalf("start beside what was left behind: %v", err)
	}
	query(t, again.URL, "SELECT 1")
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// leaveBehind starts a server on data that belongs to nobody, as after a SIGKILL of its parent where the kernel does not tell children.
func leaveBehind(t *testing.T, data string) {
	t.Helper()
	s := server{bin: postgresBin(), data: data}
	args := append([]string{"-w", "-D", data, "-l", "/dev/null", "-o", strings.Join(s.settingsForPgCtl(t), " ")}, "start")
	cmd := exec.CommandContext(t.Context(), filepath.Join(s.bin, "pg_ctl"), args...)
	if user, err := otherUser(); err == nil {
		cmd.SysProcAttr = asOther(user, true)
	}
	cmd.Dir = "/"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("pg_ctl: %v: %s", err, out)
	}
}

func (s server) settingsForPgCtl(t *testing.T) (args []string) {
	t.Helper()
	port, err := freePort(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range s.settings(port)[2:] {
		if a = strings.TrimSpace(a); a != "unix_socket_directories=" {
			args = append(args, a)
		} else {
			args = append(args, "unix_socket_directories=''")
		}
	}
	return args
}

func query(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func TestRedisKeepsItsDataOverARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for round := range 2 {
		p, err := Redis(t.Context(), dir, quiet)
		if err != nil {
			t.Fatal(err)
		}
		options, err := redis.ParseURL(p.URL)
		if err != nil {
			t.Fatal(err)
		}
		c := redis.NewClient(options)
		if round == 0 {
			err = c.Set(t.Context(), "k", "v", 0).Err()
		} else if got := c.Get(t.Context(), "k").Val(); got != "v" {
			t.Errorf("got %q after the restart, want v", got)
		}
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}
