package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tidemark/tidemark/kit/auth"
	"github.com/tidemark/tidemark/kit/env"
	"github.com/tidemark/tidemark/kit/rpc"
)

// remote is a running Tidemark.
type remote struct {
	Addr              string     `help:"gRPC address of a running Tidemark, or of its scheduler." default:"127.0.0.1:8010"`
	ParserAddr        string     `help:"gRPC address of the parser, where it is a process of its own." placeholder:"HOST:PORT"`
	WatermarkAddr     string     `help:"gRPC address of the watermark, where it is a process of its own." placeholder:"HOST:PORT"`
	TLS               bool       `name:"tls" help:"Speak TLS, and believe the system's authorities."`
	TLSCAFile         string     `name:"tls-ca-file" help:"Speak TLS, and believe this authority (PEM)." placeholder:"FILE"`
	TLSCertFile       string     `name:"tls-cert-file" help:"Show this certificate (PEM)." placeholder:"FILE"`
	TLSKeyFile        string     `name:"tls-key-file" help:"The certificate's key (PEM)." placeholder:"FILE"`
	Token             env.Secret `help:"Bearer token. Better in the environment or a file: a command line can be seen by others." placeholder:"TOKEN"`
	TokenFile         string     `help:"File that holds the bearer token." placeholder:"FILE"`
	InsecurePlaintext bool       `help:"Speak in the clear also beyond this machine; a token is never sent so."`
}

// dial connects as the flags say.
func (r remote) dial() (h house, err error) {
	var t *auth.TLS
	if r.TLS || r.TLSCAFile != "" || r.TLSCertFile != "" {
		if t, err = auth.OpenTLS(auth.Files{Cert: r.TLSCertFile, Key: r.TLSKeyFile, CA: r.TLSCAFile}, slog.New(slog.DiscardHandler), time.Now); err != nil {
			return nil, err
		}
	}
	token := r.Token
	if token == "" && r.TokenFile != "" {
		content, err := os.ReadFile(r.TokenFile)
		if err != nil {
			return nil, fmt.Errorf("--token-file: %w", err)
		}
		token = env.Secret(strings.TrimSpace(string(content)))
	}
	for _, to := range []struct{ service, flag, addr string }{{"", "--addr", r.Addr}, {"parser", "--parser-addr", r.ParserAddr}, {"watermark", "--watermark-addr", r.WatermarkAddr}} {
		if to.addr == "" {
			continue
		}
		opts, err := auth.DialOptions(to.addr, t, token, r.InsecurePlaintext)
		if errors.Is(err, auth.ErrClear) {
			err = fmt.Errorf("%s %s %w", to.flag, to.addr, err)
		}
		var conn *grpc.ClientConn
		if err == nil {
			conn, err = rpc.Dial(to.addr, opts...)
		}
		if err != nil {
			h.close()
			return nil, err
		}
		h = append(h, door{to.service, to.addr, conn})
	}
	return h, nil
}

// with calls fn with the ways in, and says what to do when nobody answers.
func (r remote) with(fn func(grpc.ClientConnInterface) error) error {
	h, err := r.dial()
	if err != nil {
		return err
	}
	defer h.close()
	err = fn(h)
	switch {
	case status.Code(err) == codes.Unavailable && rpc.Reason(err) == "":
		if strings.Contains(status.Convert(err).Message(), "tls: ") { // gRPC says it in its text only
			return fmt.Errorf("the Tidemark at %s and this command do not trust each other: check --tls-ca-file, and --tls-cert-file if you show one (%s)", h, tlsPart(err))
		}
		return fmt.Errorf("no Tidemark answers at %s: start one with `tidemark up` or `tidemark demo`, name another with --addr, or say --tls-ca-file if it speaks TLS", h)
	case status.Code(err) == codes.Unimplemented:
		return fmt.Errorf("the Tidemark at %s is only a part of one: name the scheduler with --addr, the others with --parser-addr and --watermark-addr", h)
	}
	return err
}

// callTimeout bounds a command's single call; resolving a channel may wait for Telegram.
const callTimeout = 90 * time.Second

func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, callTimeout)
}

// isInvalid is true when the same call with another value may succeed.
func isInvalid(err error) bool { return status.Code(err) == codes.InvalidArgument }

// tlsPart is what TLS said, without what gRPC put around it.
func tlsPart(err error) string {
	message := status.Convert(err).Message()
	return strings.TrimSuffix(message[strings.Index(message, "tls: "):], "\"")
}
