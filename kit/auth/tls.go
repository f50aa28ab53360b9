package auth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"golang.org/x/time/rate"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// Files are where a process's own certificate is, and the authority that it believes about others. Cert and Key come together; each may be "".
type Files struct{ Cert, Key, CA string }

func (f Files) paths() (paths []string) {
	for _, path := range []string{f.Cert, f.Key, f.CA} {
		if path != "" {
			paths = append(paths, path)
		}
	}
	return paths
}

// TLS is TLS 1.3 with files that are followed: each handshake uses what they hold then, and open connections stay.
type TLS struct {
	files    Files
	material *followed[material]
	log      *slog.Logger
	now      func() time.Time
}

type material struct {
	own         []tls.Certificate // one or none
	authorities *x509.CertPool    // nil: the system's
}

// OpenTLS follows the files.
func OpenTLS(f Files, log *slog.Logger, now func() time.Time) (*TLS, error) {
	if (f.Cert == "") != (f.Key == "") {
		return nil, errors.New("--tls-cert-file and --tls-key-file come together: name both")
	}
	m, err := follow(f.load, log, f.paths()...)
	return &TLS{f, m, log, now}, err
}

func (f Files) load() (m material, err error) {
	if f.Cert != "" {
		pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
		if err != nil {
			return m, fmt.Errorf("--tls-cert-file, --tls-key-file: %w", err)
		}
		m.own = []tls.Certificate{pair}
	}
	if f.CA != "" {
		content, err := read(f.CA, "--tls-ca-file")
		if err != nil {
			return m, err
		}
		m.authorities = x509.NewCertPool()
		if !m.authorities.AppendCertsFromPEM(content) {
			return m, fmt.Errorf("--tls-ca-file: %s holds no certificate in PEM", f.CA)
		}
	}
	return m, nil
}

// Ends is when the own certificate does; the zero time without one.
func (t *TLS) Ends() time.Time {
	if m := t.material.now(); len(m.own) > 0 {
		return m.own[0].Leaf.NotAfter
	}
	return time.Time{}
}

// server is the configuration of one handshake. A client's certificate is asked for, and must be good when there is one; who must have one is
// decided per call. Sessions are not resumed: a resumed one would skip looking at certificates that changed since.
func (t *TLS) server() *tls.Config {
	m := t.material.now()
	c := &tls.Config{MinVersion: tls.VersionTLS13, Certificates: m.own, NextProtos: []string{"h2"}, SessionTicketsDisabled: true, Time: t.now}
	if t.files.CA != "" {
		c.ClientAuth, c.ClientCAs = tls.VerifyClientCertIfGiven, m.authorities
	}
	return c
}

func (t *TLS) client() *tls.Config {
	m := t.material.now()
	return &tls.Config{MinVersion: tls.VersionTLS13, Certificates: m.own, RootCAs: m.authorities, Time: t.now}
}

// Server are the credentials of a server. Connections inside the process stay in the clear.
func (t *TLS) Server() credentials.TransportCredentials {
	return serverCredentials{
		TransportCredentials: credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS13, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return t.server(), nil }}),
		log:                  t.log, often: rate.NewLimiter(1, 10),
	}
}

type serverCredentials struct {
	credentials.TransportCredentials
	log   *slog.Logger
	often *rate.Limiter // a stranger must not fill the log
}

// ServerHandshake says in the log who was refused, for gRPC does not.
func (c serverCredentials) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	if inProcess(conn.LocalAddr()) {
		return insecure.NewCredentials().ServerHandshake(conn)
	}
	secure, info, err := c.TransportCredentials.ServerHandshake(conn)
	if err != nil && c.often.Allow() {
		c.log.Warn("a connection was refused", "from", conn.RemoteAddr().String(), "err", err)
	}
	return secure, info, err
}

// Clone is c: it holds nothing that changes.
func (c serverCredentials) Clone() credentials.TransportCredentials { return c }

// inProcess is true of an address in memory, which no stranger can have.
func inProcess(a net.Addr) bool { return a != nil && a.Network() == "bufconn" }

// Client are the credentials of a client.
func (t *TLS) Client() credentials.TransportCredentials { return clientCredentials{t} }

type clientCredentials struct{ tls *TLS }

// ClientHandshake uses what the files hold now.
func (c clientCredentials) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return credentials.NewTLS(c.tls.client()).ClientHandshake(ctx, authority, conn)
}

// ServerHandshake is none of a client's.
func (clientCredentials) ServerHandshake(net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("these credentials are a client's")
}

// Info describes the protocol.
func (c clientCredentials) Info() credentials.ProtocolInfo {
	return credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS13}).Info()
}

// Clone is c: it holds nothing that changes.
func (c clientCredentials) Clone() credentials.TransportCredentials { return c }

// OverrideServerName is gone from gRPC's clients; it changes nothing.
func (clientCredentials) OverrideServerName(string) error { return nil }
