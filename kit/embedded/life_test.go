package embedded

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
)

// asParent makes this test binary a parent that starts both stores in the directory it names, and then waits to be killed.
const asParent = "EMBEDDED_TEST_AS_PARENT"

func TestMain(m *testing.M) {
	if dir := os.Getenv(asParent); dir != "" {
		beParent(dir)
		return
	}
	os.Exit(m.Run())
}

func beParent(dir string) {
	p, err := Postgres(context.Background(), dir, PostgresOptions{Fast: true}, quiet)
	if err == nil {
		var r *Process
		if r, err = Redis(context.Background(), dir, quiet); err == nil {
			_, _ = fmt.Fprintln(os.Stdout, p.URL, r.URL)
		}
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stdout, "error:", err)
	}
	<-time.After(time.Minute) // not for ever: a broken test leaves nothing behind
}

// A parent that is killed takes its stores along, and the next start on the same directory works at once, with all data.
func TestStoresDieWithAKilledParent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	parent := exec.CommandContext(t.Context(), os.Args[0])
	parent.Env = append(os.Environ(), asParent+"="+dir)
	out, err := parent.StdoutPipe()
	if err == nil {
		err = parent.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	pgURL, redisURL, ok := strings.Cut(strings.TrimSpace(line), " ")
	if err != nil || !ok || !strings.HasPrefix(pgURL, "postgres://") {
		t.Fatalf("the parent says %q, %v", line, err)
	}
	query(t, pgURL, "CREATE TABLE kept AS SELECT 1 AS n")
	set(t, redisURL, "kept", "1")
	_ = parent.Process.Kill()
	_ = parent.Wait()
	if runtime.GOOS == "linux" { // elsewhere they end at the next start
		eventually(t, "the killed parent's Postgres still answers", func() bool { return !answers(t, pgURL) })
		eventually(t, "the killed parent's Redis still answers", func() bool { return client(t, redisURL).Ping(t.Context()).Err() != nil })
	}

	p, err := Postgres(t.Context(), dir, PostgresOptions{Fast: true}, quiet)
	if err != nil {
		t.Fatalf("Postgres after the kill: %v", err)
	}
	defer func() { _ = p.Close() }()
	query(t, p.URL, "SELECT n FROM kept")
	r, err := Redis(t.Context(), dir, quiet)
	if err != nil {
		t.Fatalf("Redis after the kill: %v", err)
	}
	defer func() { _ = r.Close() }()
	if got := get(t, r.URL, "kept"); got != "1" {
		t.Errorf("got %q from Redis, want what was written", got)
	}
}

func answers(t *testing.T, url string) bool {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err == nil {
		_ = conn.Close(t.Context())
	}
	return err == nil
}

// eventually polls across a process border.
func eventually(t *testing.T, problem string, ok func() bool) {
	t.Helper()
	deadline, tick := time.After(10*time.Second), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatal(problem)
		case <-tick.C:
		}
	}
}

func client(t *testing.T, url string) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(options)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func set(t *testing.T, url, key, value string) {
	t.Helper()
	if err := client(t, url).Set(t.Context(), key, value, 0).Err(); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, url, key string) string {
	t.Helper()
	value, err := client(t, url).Get(t.Context(), key).Result()
	if err != nil {
		t.Errorf("read %s: %v", key, err)
	}
	return value
}

// Two that append to the same files would ruin them, so the second is told; when the first is done the directory is free.
func TestADirectoryHasOneOwner(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(dir string) (*Process, error){
		"postgres": func(dir string) (*Process, error) {
			return Postgres(t.Context(), dir, PostgresOptions{Fast: true}, quiet)
		},
		"redis": func(dir string) (*Process, error) { return Redis(t.Context(), dir, quiet) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			first, err := start(dir)
			if err != nil {
				t.Fatal(err)
			}
			want := "another process keeps its private " + name + " in " + dir + ": stop it, or choose another --data-dir"
			if _, err := start(dir); err == nil || err.Error() != want {
				t.Errorf("got %v, want %q", err, want)
			}
			for range 2 { // the second Close has nothing to do
				if err := first.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			}
			again, err := start(dir)
			if err != nil {
				t.Fatalf("after the first is done: %v", err)
			}
			if err := again.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestARedisLeftBehindEndsFirst(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := filepath.Join(dir, "redis")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	port, err := freePort(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	left := exec.CommandContext(t.Context(), "redis-server", "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", data, "--appendonly", "yes", "--pidfile", data+".pid")
	left.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := left.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- left.Wait() }() // init does this for a real orphan
	url := "redis://127.0.0.1:" + strconv.Itoa(port) + "/0"
	eventually(t, "the one to leave behind does not start", func() bool { return client(t, url).Ping(t.Context()).Err() == nil })
	set(t, url, "kept", "1")
	p, err := Redis(t.Context(), dir, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	if err := <-ended; err != nil {
		t.Errorf("the one left behind ended with %v, want in order", err)
	}
	if got := get(t, p.URL, "kept"); got != "1" {
		t.Errorf("got %q, want what was written", got)
	}
}

// A process id of long ago may be another program's today: that one must live.
func TestAStrangerWithAnOldProcessIDLives(t *testing.T) {
	t.Parallel()
	stranger := exec.CommandContext(t.Context(), "sleep", "60")
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = stranger.Wait(); close(ended) }()
	file := filepath.Join(t.TempDir(), "pid")
	if err := os.WriteFile(file, []byte(strconv.Itoa(stranger.Process.Pid)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := stopLeftover(t.Context(), file, "redis-server", "/data"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
		t.Error("the stranger was ended")
	default:
	}
}

func TestAPortThatIsTakenMeansAnother(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	taken := l.Addr().(*net.TCPAddr).Port
	dir := t.TempDir()
	owner, err := Postgres(t.Context(), dir, PostgresOptions{Fast: true}, quiet) // makes the cluster
	if err != nil {
		t.Fatal(err)
	}
	_ = owner.Close()
	s := server{bin: postgresBin(), data: filepath.Join(dir, "postgres")}
	if os.Geteuid() == 0 {
		if s.as, err = otherUser(); err != nil {
			t.Fatal(err)
		}
		s.enter = true // a test's directory is closed
	}
	data := filepath.Join(t.TempDir(), "redis")
	bin, err := exec.LookPath("redis-server")
	if err == nil {
		err = os.Mkdir(data, 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
	for name, start := range map[string]func(ctx context.Context, port int) (*Process, error){
		"postgres": s.run,
		"redis": func(ctx context.Context, port int) (*Process, error) {
			return redisOn(ctx, bin, data, data+".pid", port)
		},
	} {
		tries := 0
		p, err := onFreePort(t.Context(), func(ctx context.Context, port int) (*Process, error) {
			if tries++; tries == 1 {
				port = taken
			}
			return start(ctx, port)
		})
		if err != nil || tries != 2 {
			t.Fatalf("%s: %v after %d tries, want it on the second", name, err, tries)
		}
		if err := p.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOtherTroubleIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	tries, broken := 0, &startError{"postgres", "FATAL: it is broken"}
	_, err := onFreePort(t.Context(), func(context.Context, int) (*Process, error) { tries++; return nil, broken })
	if !errors.Is(err, broken) || tries != 1 || err.Error() != "postgres ended at start: FATAL: it is broken" {
		t.Errorf("got %v after %d tries", err, tries)
	}
}
