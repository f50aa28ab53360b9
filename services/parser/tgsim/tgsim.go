// Package tgsim is a simulated Telegram datacenter. An unmodified MTProto client logs in to it over TCP and reads channels, and cannot tell
// that they are made up; whoever holds the Server knows the truth (World), sees every request, and makes trouble on demand (Faults).
//
//	w, err := tgsim.NewWorld(tgsim.Spec{Seed: 1, Channels: 10, Messages: 1000, End: now})
//	srv, err := tgsim.Listen("127.0.0.1:0", w, tgsim.Options{})
//	go srv.Run(ctx)
//	// client: DC list {srv.DC(): srv.Addr()}, public key srv.PublicKeyPEM(), phone +10000000000, code 12345
//	id, err := w.Post("channel_1", tgsim.Draft{Text: "fresh"})
//
// The packages below: internal/wire speaks MTProto, world is the truth, fault the trouble, load makes worlds of real data. This package is
// what the methods mean.
package tgsim

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/tidemark/tidemark/services/parser/tgsim/fault"
	"github.com/tidemark/tidemark/services/parser/tgsim/internal/wire"
	"github.com/tidemark/tidemark/services/parser/tgsim/world"
)

// Names of the packages below, so that most users need only this one.
type (
	// World is the truth.
	World = world.World
	// Spec says what world to make up.
	Spec = world.Spec
	// Account is someone who can log in.
	Account = world.Account
	// Draft is a post to be made.
	Draft = world.Draft
	// Truth is a channel as it really is.
	Truth = world.Truth
	// Event is a change of a channel.
	Event = world.Event
	// Faults are the trouble in force.
	Faults = fault.Set
	// Rule is one trouble.
	Rule = fault.Rule
)

// NewWorld makes up a world; the same Spec with the same End makes the same bytes.
func NewWorld(s Spec) (*World, error) { return world.New(s) }

// DefaultAccount is the account of a world that names none: phone +10000000000, code 12345, no password.
func DefaultAccount() Account { return world.DefaultAccount() }

// NewKey makes a datacenter's private key.
func NewKey() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) }

// DefaultDC is the datacenter's number unless told otherwise.
const DefaultDC = 2

// Options of a Server; the zero value is good.
type Options struct {
	DC       int             // 0 is DefaultDC
	Key      *rsa.PrivateKey // nil makes one
	APIID    int             // with APIHash: other pairs are API_ID_INVALID; 0 takes any
	APIHash  string
	State    string // file where logins are kept, so that they outlive the process; empty keeps them in memory
	Announce string // HOST:PORT told to clients; empty is the address listened on
	Log      *slog.Logger
	Now      func() time.Time // nil is the system's clock
}

// Server is a datacenter.
type Server struct {
	o      Options
	world  *World
	faults Faults
	keys   *wire.Keys
	wire   *wire.Server
	l      net.Listener
	log    journal
	logins logins
}

// Listen opens a datacenter of a world on a TCP address. It serves nobody until Run.
func Listen(addr string, w *World, o Options) (*Server, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	s := &Server{o: o, world: w, keys: wire.NewKeys(), log: newJournal(), logins: newLogins()}
	if o.State != "" {
		keys, err := wire.OpenKeys(o.State)
		if err != nil {
			return nil, fmt.Errorf("read logins from %s: %w", o.State, err)
		}
		s.keys = keys
	}
	s.wire = wire.New(wire.Options{DC: o.DC, Key: o.Key, Keys: s.keys, Handler: s, Log: o.Log, Now: o.Now})
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, err
	}
	s.l = l
	return s, nil
}

func (o *Options) fill() (err error) {
	if o.DC == 0 {
		o.DC = DefaultDC
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now // a simulator's own clock
	}
	if o.Key == nil {
		o.Key, err = NewKey()
	}
	return err
}

// Run serves clients until ctx ends, then cuts them off and waits for what is under way.
func (s *Server) Run(ctx context.Context) error {
	stop := s.world.Watch(s.push)
	defer stop()
	return s.wire.Serve(ctx, s.l)
}

// Close gives the address back where Run was never called.
func (s *Server) Close() error { return s.l.Close() }

// Addr is the address listened on.
func (s *Server) Addr() string { return s.l.Addr().String() }

// DC is the datacenter's number.
func (s *Server) DC() int { return s.o.DC }

// World is the truth.
func (s *Server) World() *World { return s.world }

// Faults is the trouble in force.
func (s *Server) Faults() *Faults { return &s.faults }

// PublicKeyPEM is the key that clients must know, as PKCS#1 PEM ("RSA PUBLIC KEY").
func (s *Server) PublicKeyPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&s.o.Key.PublicKey)})
}

// Revoke logs out all sessions of the account with this phone, as when its owner ends them.
func (s *Server) Revoke(phone string) error {
	a, ok := s.world.ByPhone(phone)
	if !ok {
		return world.ErrAccount
	}
	return s.keys.Revoke(a.ID)
}
