package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Healthy asks the process that serves /health at addr, prints what it says, and is nil when it says that it is healthy. An address that means "all of this machine's",
// as 0.0.0.0:8031, is asked on the loopback, so that a health check may have the server's own configuration.
func Healthy(ctx context.Context, w io.Writer, addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return Usage(fmt.Errorf("address %q: want HOST:PORT", addr))
	}
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(ctx, healthyWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/health", nil)
	if err != nil {
		return fmt.Errorf("address %q: %w", addr, err)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("nobody answers at %s: %w", addr, errors.Unwrap(err))
	}
	defer func() { _ = answer.Body.Close() }()
	if _, err := io.Copy(w, io.LimitReader(answer.Body, 64<<10)); err != nil {
		return fmt.Errorf("read what %s says: %w", addr, err)
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("not healthy: %s", answer.Status)
	}
	return nil
}

// healthyWithin bounds the question.
const healthyWithin = 4 * time.Second
