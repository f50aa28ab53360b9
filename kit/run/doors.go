package run

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	"github.com/tidemark/tidemark/kit/auth"
	"github.com/tidemark/tidemark/kit/rpc"
)

// Doors are the flags that say who may come in, and how. Without any of them a process listens on this machine only, and is open there.
type Doors struct {
	TLSCertFile       string                `name:"tls-cert-file" help:"Serve TLS 1.3 with this certificate (PEM), and show it when calling other services." placeholder:"FILE"`
	TLSKeyFile        string                `name:"tls-key-file" help:"The certificate's key (PEM)." placeholder:"FILE"`
	TLSCAFile         string                `name:"tls-ca-file" help:"Authority (PEM) of the certificates that callers may show and other services must." placeholder:"FILE"`
	TLSPeers          map[string]auth.Scope `name:"tls-peers" help:"Scopes (read, operate, admin) of certificates by common name, beyond what the contract gives the services." placeholder:"NAME=SCOPE;..."`
	TokensFile        string                `name:"tokens-file" help:"Take the bearer tokens in this file, which tidemark tokens keeps; without a token or a certificate only health answers." placeholder:"FILE"`
	AuditLogFile      string                `name:"audit-log-file" help:"Write down there, not in the log, who changes what." placeholder:"FILE"`
	InsecurePlaintext bool                  `name:"insecure-plaintext" help:"Serve and call in the clear, and without asking who calls unless there is a tokens file, also beyond this machine."`
}

func (d Doors) files() auth.Files {
	return auth.Files{Cert: d.TLSCertFile, Key: d.TLSKeyFile, CA: d.TLSCAFile}
}

// Check refuses to open a door to the world by accident. Serve asks it, too; asking before anything is opened says no sooner.
func (d Doors) Check(grpcAddr string) error {
	secure, asks := d.TLSCertFile != "" || d.TLSKeyFile != "", d.TokensFile != "" || d.TLSCAFile != ""
	switch {
	case !secure && d.TLSCAFile != "":
		return errors.New("--tls-ca-file needs a certificate to serve with: name --tls-cert-file and --tls-key-file")
	case grpcAddr == "" || auth.IsLoopback(grpcAddr) || d.InsecurePlaintext:
		return nil
	case !secure:
		return fmt.Errorf("--grpc-addr %s can be reached from other machines, and nothing is encrypted: name --tls-cert-file and --tls-key-file (`tidemark certs` makes them), or allow it with --insecure-plaintext", grpcAddr)
	case !asks:
		return fmt.Errorf("--grpc-addr %s can be reached from other machines, and nobody is asked who calls: name --tokens-file (`tidemark tokens` makes it) or --tls-ca-file, or allow it with --insecure-plaintext", grpcAddr)
	}
	return nil
}

// certificateEnd is a metric, so that somebody hears of it while the certificate is still good. In seconds of Unix time.
const certificateEnd = "tidemark_certificate_end_timestamp_seconds"

// locks are what a server needs to be behind these doors.
func (d Doors) locks(log *slog.Logger, registry prometheus.Registerer) (o rpc.ServerOptions, err error) {
	guard := auth.Options{Certificates: d.TLSCAFile != "", Peers: d.TLSPeers, Audit: log, Now: time.Now}
	if d.TLSCertFile != "" || d.TLSKeyFile != "" {
		t, err := auth.OpenTLS(d.files(), log, time.Now)
		if err != nil {
			return o, err
		}
		o.Credentials = t.Server()
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: certificateEnd, Help: "When the certificate that is served ends."}, func() float64 {
			return float64(t.Ends().Unix())
		}))
	}
	if d.TokensFile != "" {
		if guard.Tokens, err = auth.OpenTokens(d.TokensFile, log); err != nil {
			return o, err
		}
	}
	if d.AuditLogFile != "" {
		if guard.Audit, err = auth.AuditFile(d.AuditLogFile, log); err != nil {
			return o, err
		}
	}
	g := auth.NewGuard(guard)
	o.Unary, o.Stream = g.Unary, g.Stream
	return o, nil
}

// Dial connects to another service, with our own certificate when we have an authority to know the other's by. flag names the address for people.
func (d Doors) Dial(target, flag string, log *slog.Logger, extra ...grpc.DialOption) (*grpc.ClientConn, error) {
	var t *auth.TLS
	if d.TLSCAFile != "" {
		var err error
		if t, err = auth.OpenTLS(d.files(), log, time.Now); err != nil {
			return nil, err
		}
	}
	opts, err := auth.DialOptions(target, t, "", d.InsecurePlaintext)
	if err != nil {
		return nil, fmt.Errorf("%s %s %w", flag, target, err)
	}
	return rpc.Dial(target, append(opts, extra...)...)
}
