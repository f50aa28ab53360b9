// Command tgsim is a simulated Telegram datacenter as a process: clients log in to it with its address and its key file.
package main

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tidemark/tidemark/kit/run"
	"github.com/tidemark/tidemark/services/parser/tgsim"
	"github.com/tidemark/tidemark/services/parser/tgsim/control"
	"github.com/tidemark/tidemark/services/parser/tgsim/load"
)

type commands struct {
	Serve  serve  `cmd:"" help:"Serve a simulated Telegram until told to stop."`
	Health health `cmd:"" help:"Ask the one that serves here whether it does."`
}

func main() {
	run.Main("tgsim", "A simulated Telegram datacenter for an unmodified client.", &commands{})
}

// serve is the command's flags.
type serve struct {
	run.Process
	Listen   string        `help:"HOST:PORT of the datacenter." default:"127.0.0.1:9443"`
	Announce string        `help:"HOST:PORT that clients are told; empty is the address listened on."`
	Control  string        `help:"HOST:PORT of the control API over HTTP; empty is none." default:"127.0.0.1:9444"`
	KeyOut   string        `help:"File to write the public key to, PEM, for clients." placeholder:"FILE.pem"`
	Key      string        `help:"File of the private key, made if missing, so that restarts keep it; empty makes one each time." placeholder:"FILE.pem"`
	State    string        `help:"File to keep logins in, so that clients survive a restart; empty forgets them." placeholder:"FILE.json"`
	DC       int           `help:"The datacenter's number." default:"2"`
	APIID    int           `name:"api-id" help:"Take only this api id; 0 takes any." default:"0"`
	APIHash  string        `name:"api-hash" help:"The hash that goes with the api id."`
	Phone    string        `help:"The account's phone." default:"+10000000000"`
	Code     string        `help:"The login code that the account gets." default:"12345"`
	Password string        `help:"The account's second-step password; empty is none."`
	World    string        `help:"demo, seed, or files: a world's description, or channels' data." default:"demo"`
	More     []string      `arg:"" optional:"" help:"Files of channels' data to add."`
	Channels int           `help:"Channels of a seeded world." default:"10"`
	Messages int           `help:"Messages in each channel of a made-up world." default:"1000"`
	Sizes    []int         `help:"Messages in the first channels of a made-up world, where they are not all alike." placeholder:"N,N,..."`
	Private  int           `help:"How many of a seeded world's channels are private." default:"0"`
	Stranger bool          `help:"The account is a member of no channel."`
	Seed     uint64        `help:"What the world is made of: the same seed and end make the same world." default:"1"`
	End      time.Time     `help:"Date of the newest messages, RFC 3339; none is now."`
	Live     time.Duration `help:"Publish a post this often, channel by channel; 0 is never." default:"0"`
}

// Run serves until ctx ends.
func (s *serve) Run(ctx context.Context) error {
	log, _, err := s.Telemetry()
	if err != nil {
		return err
	}
	w, err := s.world()
	if err != nil {
		return err
	}
	key, err := s.key()
	if err != nil {
		return err
	}
	srv, err := tgsim.Listen(s.Listen, w, tgsim.Options{DC: s.DC, Key: key, APIID: s.APIID, APIHash: s.APIHash, State: s.State,
		Announce: s.Announce, Log: log})
	if err != nil {
		return fmt.Errorf("%w; choose another --listen", err)
	}
	if s.KeyOut != "" {
		if err := os.WriteFile(s.KeyOut, srv.PublicKeyPEM(), 0o644); err != nil { //nolint:gosec // a public key
			return err
		}
	}
	log.Info("telegram", "dc", srv.DC(), "addr", srv.Addr(), "channels", len(w.Channels()), "key", s.KeyOut)
	return s.serve(ctx, srv, log)
}

func (s *serve) serve(ctx context.Context, srv *tgsim.Server, log *slog.Logger) error {
	g, ctx := errgroup.WithContext(ctx)
	if s.Control != "" {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", s.Control)
		if err != nil {
			return fmt.Errorf("%w; choose another --control", err)
		}
		log.Info("control", "addr", l.Addr().String())
		g.Go(func() error { return web(ctx, l, control.Handler(srv)) })
	}
	g.Go(func() error { return srv.Run(ctx) })
	if s.Live > 0 {
		g.Go(func() error { return srv.World().Live(ctx, s.Live) })
	}
	return g.Wait()
}

func web(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (s *serve) world() (*tgsim.World, error) {
	spec := tgsim.Spec{Seed: s.Seed, Channels: s.Channels, Messages: s.Messages, Sizes: s.Sizes, Private: s.Private, End: s.End.UTC(), Accounts: []tgsim.Account{s.account()}}
	if s.Stranger {
		spec.Joined = func(int) bool { return false }
	}
	w, err := load.Named(s.World, spec)
	if err != nil {
		return nil, fmt.Errorf("--world: %w", err)
	}
	return w, load.Into(w, s.More...)
}

func (s *serve) account() tgsim.Account {
	a := tgsim.DefaultAccount()
	a.Phone, a.Code, a.Password = s.Phone, s.Code, s.Password
	return a
}

// key is the server's private key, kept in a file where one is asked for.
func (s *serve) key() (*rsa.PrivateKey, error) {
	raw, err := os.ReadFile(s.Key)
	if s.Key == "" || errors.Is(err, fs.ErrNotExist) {
		return s.newKey()
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, fmt.Errorf("%s holds no PEM; remove it to have a new key made", s.Key)
	}
	return x509.ParsePKCS1PrivateKey(block.Bytes)
}

func (s *serve) newKey() (*rsa.PrivateKey, error) {
	key, err := tgsim.NewKey()
	if err != nil || s.Key == "" {
		return key, err
	}
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	return key, os.WriteFile(s.Key, pem.EncodeToMemory(block), 0o600)
}

type health struct {
	Control string `help:"HOST:PORT of its control API." default:"127.0.0.1:9444"`
}

// Run asks.
func (c *health) Run(ctx context.Context, w io.Writer) error { return run.Healthy(ctx, w, c.Control) }
