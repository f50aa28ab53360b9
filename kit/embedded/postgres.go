package embedded

import (
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
	dir, err := dataDir(dir)
	if err != nil {
		return nil, err
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
	release, err := hold(dir, "postgres")
	if err != nil {
		return nil, err
	}
	p, err := s.start(ctx, dir)
	if err != nil {
		release()
		return nil, err
	}
	logStarted(log, "postgres", p, began)
	return heldBy(p, release), nil
}

func (s *server) start(ctx context.Context, dir string) (*Process, error) {
	if err := s.prepare(ctx, dir); err != nil {
		return nil, err
	}
	p, err := onFreePort(ctx, s.run)
	if err != nil {
		return nil, fmt.Errorf("private Postgres: %w", err)
	}
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
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), Groups: []uint32{uint32(gid)}}, nil
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
		if err := letIn(dir); err != nil {
			return err
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
		return stopLeftover(ctx, filepath.Join(s.data, "postmaster.pid"), "postgres", s.data)
	}
	return s.initdb(ctx)
}

// letIn lets others pass through our own directory, without seeing what is in it.
func letIn(dir string) error {
	info, err := os.Stat(dir)
	if err == nil {
		err = os.Chmod(dir, info.Mode().Perm()|0o011)
	}
	if err != nil {
		return fmt.Errorf("let Postgres enter its directory: %w", err)
	}
	return nil
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

func (s *server) run(ctx context.Context, port int) (*Process, error) {
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
