package embedded

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// PostgresOptions of a private server.
type PostgresOptions struct {
	// Fast gives up durability for speed: for tests, whose data nobody needs after a crash.
	Fast bool
}

// Postgres starts a private server on dir/postgres, making it at the first start.
func Postgres(ctx context.Context, dir string, o PostgresOptions, log *slog.Logger) (*Process, error) {
	began := time.Now()
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	bin := postgresBin()
	if bin == "" {
		return fetchedPostgres(ctx, dir, log)
	}
	s := server{bin: bin, data: filepath.Join(dir, "postgres"), options: o}
	if os.Geteuid() == 0 {
		if s.as, err = otherUser(); err != nil {
			return nil, err
		}
	}
	if err := s.prepare(ctx, dir); err != nil {
		return nil, err
	}
	p, err := s.run(ctx)
	if err != nil {
		return nil, fmt.Errorf("private Postgres: %w", err)
	}
	logStarted(log, "postgres", p, began)
	return p, nil
}

// postgresBin finds a folder with postgres and initdb: the newest of Debian's, Homebrew's, or the PATH's.
func postgresBin() string {
	var found []string
	for _, pattern := range []string{"/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin", "/usr/pgsql-*/bin", "/usr/lib/postgresql/*/bin"} {
		dirs, _ := filepath.Glob(pattern)
		found = append(found, dirs...)
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		found = append(found, filepath.Dir(path))
	}
	for i := len(found) - 1; i >= 0; i-- {
		if _, err := os.Stat(filepath.Join(found[i], "initdb")); err == nil {
			return found[i]
		}
	}
	return ""
}

// otherUser is whom Postgres runs as when we are root, which it refuses.
func otherUser() (*syscall.Credential, error) {
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
		gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(errUID, errGID); err != nil {
			return nil, fmt.Errorf("user %s: %w", name, err)
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), NoSetGroups: true}, nil
	}
	return nil, errors.New("Postgres refuses to run as root, and there is no user postgres or nobody to run it as: start as another user")
}

type server struct {
	bin, data string
	options   PostgresOptions
	as        *syscall.Credential
	enter     bool // the way to data is closed to that user, and must be opened for it
}

func (s server) attributes() *syscall.SysProcAttr { return asOther(s.as, s.enter) }

const superuser = "tidemark"

func (s server) passwordFile() string { return s.data + ".password" }

func (s *server) prepare(ctx context.Context, dir string) error {
	if err := os.MkdirAll(s.data, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	if s.as != nil {
		if err := os.Chown(s.data, int(s.as.Uid), int(s.as.Gid)); err != nil {
			return fmt.Errorf("hand %s to the user that Postgres runs as: %w", s.data, err)
		}
		closed, err := barred(dir)
		if err != nil {
			return err
		}
		if s.enter = closed != ""; s.enter && !canEnterAnywhere {
			return fmt.Errorf("Postgres runs as another user, who may not enter %s: choose a --data-dir outside of it, or chmod o+x it", closed)
		}
	}
	if _, err := os.Stat(filepath.Join(s.data, "PG_VERSION")); err == nil {
		return s.stopLeftover(ctx)
	}
	return s.initdb(ctx)
}

// barred is the first directory on the way to dir that another user may not enter, "" when there is none.
func barred(dir string) (string, error) {
	for d := dir; ; d = filepath.Dir(d) {
		info, err := os.Stat(d)
		if err != nil {
			return "", fmt.Errorf("data directory: %w", err)
		}
		if info.Mode().Perm()&0o001 == 0 {
			return d, nil
		}
		if d == filepath.Dir(d) {
			return "", nil
		}
	}
}

// initdb makes the cluster aside and moves it into place when it is whole, so that being killed leaves nothing half made.
func (s server) initdb(ctx context.Context) error {
	aside := s.data + ".new"
	if err := s.initdbIn(ctx, aside); err != nil {
		return fmt.Errorf("initdb in %s: %w", aside, err)
	}
	if err := errors.Join(os.Remove(s.data), os.Rename(aside, s.data)); err != nil {
		return fmt.Errorf("move the new cluster into place: %w", err)
	}
	return nil
}

func (s server) initdbIn(ctx context.Context, dir string) error {
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o700), os.WriteFile(s.passwordFile(), []byte(rand.Text()), 0o600)); err != nil {
		return err
	}
	if s.as != nil {
		if err := errors.Join(os.Chown(dir, int(s.as.Uid), int(s.as.Gid)), os.Chown(s.passwordFile(), int(s.as.Uid), int(s.as.Gid))); err != nil {
			return err
		}
	}
	var failures error
	for _, locale := range []string{"C.UTF-8", "C"} {
		cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "initdb"), "-D", dir, "-U", superuser, "-E", "UTF8", "--locale="+locale,
			"--auth=scram-sha-256", "--pwfile="+s.passwordFile(), "--no-sync")
		cmd.Dir = "/" // initdb wants to know where it is, and may not enter ours
		cmd.SysProcAttr = s.attributes()
		out, err := cmd.CombinedOutput()
		if err == nil {
			return nil
		}
		failures = errors.Join(failures, fmt.Errorf("%w: %s", err, out))
	}
	return failures
}

// stopLeftover ends a server that a killed parent may have left on this directory, so that we do not run two.
func (s server) stopLeftover(ctx context.Context) error {
	pidFile := filepath.Join(s.data, "postmaster.pid")
	f, err := os.Open(pidFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("look for a server left behind: %w", err)
	}
	line, _ := bufio.NewReader(f).ReadString('\n')
	_ = f.Close()
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || !isPostgres(pid, s.data) {
		return nil // Postgres itself removes a stale file
	}
	if parentAlive(pid) {
		return fmt.Errorf("another process runs a Postgres on %s (pid %d): stop it, or choose another --data-dir", s.data, pid)
	}
	return terminate(ctx, pid)
}

// terminate ends a foreign process and waits until it is gone.
func terminate(ctx context.Context, pid int) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_ = syscall.Kill(pid, syscall.SIGINT)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for syscall.Kill(pid, 0) == nil {
		select {
		case <-ctx.Done():
			return fmt.Errorf("stop the process %d that was left behind: %w", pid, ctx.Err())
		case <-tick.C:
		}
	}
	return nil
}

func (s server) run(ctx context.Context) (*Process, error) {
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	password, err := os.ReadFile(s.passwordFile())
	if err != nil {
		return nil, fmt.Errorf("read its password: %w", err)
	}
	c, err := start(exec.Command(filepath.Join(s.bin, "postgres"), s.settings(port)...), s.attributes())
	if err != nil {
		return nil, err
	}
	url := func(db string) string {
		return fmt.Sprintf("postgres://%s:%s@127.0.0.1:%d/%s?sslmode=disable", superuser, password, port, db)
	}
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	if err := c.await(ctx, func(ctx context.Context) error { return ensureDatabase(ctx, url("postgres")) }); err != nil {
		return nil, err
	}
	return &Process{URL: url(superuser), Kind: "local binary", stop: func() error { return c.stop(syscall.SIGINT) }}, nil
}

func (s server) settings(port int) []string {
	set := []string{"listen_addresses=127.0.0.1", "port=" + strconv.Itoa(port), "unix_socket_directories=", "max_connections=100", "shared_buffers=128MB",
		"wal_level=minimal", "max_wal_senders=0", "max_wal_size=2GB", "checkpoint_completion_target=0.9", "log_min_messages=fatal", "log_timezone=UTC", "timezone=UTC"}
	if s.options.Fast {
		set = append(set, "fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=300")
	}
	args := []string{"-D", s.data}
	for _, kv := range set {
		args = append(args, "-c", kv)
	}
	return args
}

// ensureDatabase makes our database when it is not there; it fails while the server is not up.
func ensureDatabase(ctx context.Context, adminURL string) error {
	conn, err := pgx.Connect(ctx, adminURL)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	var exists bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", superuser).Scan(&exists); err != nil || exists {
		return err
	}
	_, err = conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{superuser}.Sanitize())
	return err
}
