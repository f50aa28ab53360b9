package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// Redis starts a private server on dir/redis, or one in process where the machine has no redis-server.
func Redis(ctx context.Context, dir string, log *slog.Logger) (*Process, error) {
	began := time.Now()
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		return inProcessRedis(log)
	}
	if dir, err = dataDir(dir); err != nil {
		return nil, err
	}
	release, err := hold(dir, "redis")
	if err != nil {
		return nil, err
	}
	p, err := localRedis(ctx, bin, filepath.Join(dir, "redis"))
	if err != nil {
		release()
		return nil, fmt.Errorf("private Redis: %w", err)
	}
	logStarted(log, "redis", p, began)
	return heldBy(p, release), nil
}

// localRedis runs bin on data; two at once would ruin what they append to, so what was left behind ends first.
func localRedis(ctx context.Context, bin, data string) (*Process, error) {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	pidFile := data + ".pid"
	if err := stopLeftover(ctx, pidFile, "redis-server", data); err != nil {
		return nil, err
	}
	return onFreePort(ctx, func(ctx context.Context, port int) (*Process, error) {
		return redisOn(ctx, bin, data, pidFile, port)
	})
}

func redisOn(ctx context.Context, bin, data, pidFile string, port int) (*Process, error) {
	c, err := start(exec.Command(bin, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", data, "--appendonly", "yes", "--save", "",
		"--daemonize", "no", "--pidfile", pidFile), &syscall.SysProcAttr{})
	if err != nil {
		return nil, err
	}
	address := "127.0.0.1:" + strconv.Itoa(port)
	client := redis.NewClient(&redis.Options{Addr: address, MaxRetries: -1})
	defer func() { _ = client.Close() }()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := c.await(ctx, func(ctx context.Context) error { return answersItself(ctx, client, c.cmd.Process.Pid) }); err != nil {
		return nil, err
	}
	return &Process{URL: "redis://" + address + "/0", Kind: "local binary", stop: func() error { return c.stop(syscall.SIGTERM) }}, nil
}

// answersItself is nil when the server that answers is ours, and not one that took the port before.
func answersItself(ctx context.Context, client *redis.Client, pid int) error {
	info, err := client.Info(ctx, "server").Result()
	if err == nil && !strings.Contains(info, fmt.Sprintf("process_id:%d\r\n", pid)) {
		err = errors.New("another server answers")
	}
	return err
}

func inProcessRedis(log *slog.Logger) (*Process, error) {
	m := miniredis.NewMiniRedis()
	if err := m.Start(); err != nil {
		return nil, errors.Join(errors.New("private Redis in process"), err)
	}
	log.Warn("no redis-server on this machine: Redis runs in process and forgets at stop")
	return &Process{URL: "redis://" + m.Addr() + "/0", Kind: "in process", stop: func() error { m.Close(); return nil }}, nil
}
