package telegram

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/crypto"
	td "github.com/gotd/td/telegram"
	"github.com/gotd/td/telegram/dcs"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/transport"
)

// servers are Telegram's datacenters, or those that stand in for them.
type servers struct {
	given   []tg.DCOption // empty: Telegram's own
	primary int           // the datacenter of a new login
	keys    []td.PublicKey
	keyFile string
}

// defaultDC is where a login starts; the server sends it on to where the account lives.
const defaultDC = 2

func newServers(list, keyFile string) (servers, error) {
	given, err := parseDCs(list)
	keys, keyErr := readKeys(keyFile)
	if err := errors.Join(err, keyErr); err != nil {
		return servers{}, err
	}
	s := servers{given: given, primary: defaultDC, keys: keys, keyFile: keyFile}
	if len(given) > 0 && !slices.ContainsFunc(given, func(o tg.DCOption) bool { return o.ID == defaultDC }) {
		s.primary = given[0].ID
	}
	return s, nil
}

// parseDCs reads "2=HOST:PORT,4=HOST:PORT".
func parseDCs(list string) ([]tg.DCOption, error) {
	if strings.TrimSpace(list) == "" {
		return nil, nil
	}
	var options []tg.DCOption
	for item := range strings.SplitSeq(list, ",") {
		number, address, _ := strings.Cut(strings.TrimSpace(item), "=")
		id, err := strconv.Atoi(number)
		host, portText, splitErr := net.SplitHostPort(address)
		port, portErr := strconv.Atoi(portText)
		if err != nil || id <= 0 || splitErr != nil || portErr != nil || host == "" || port <= 0 || port > 65535 {
			return nil, fmt.Errorf("malformed datacenter %q: want NUMBER=HOST:PORT, several of them separated by commas", item)
		}
		options = append(options, tg.DCOption{ID: id, IPAddress: host, Port: port, Static: true})
	}
	return options, nil
}

// readKeys reads the public keys of a PEM file; none for no file.
func readKeys(file string) ([]td.PublicKey, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read Telegram's public keys: %w", err)
	}
	parsed, err := crypto.ParseRSAPublicKeys(text)
	if err != nil || len(parsed) == 0 {
		return nil, fmt.Errorf("%s holds no RSA public key: want PEM blocks of type RSA PUBLIC KEY", file)
	}
	keys := make([]td.PublicKey, len(parsed))
	for i, k := range parsed {
		keys[i] = td.PublicKey{RSA: k}
	}
	return keys, nil
}

// address is where the primary datacenter is looked for.
func (s servers) address() string {
	for _, o := range s.list().Options {
		if o.ID == s.primary && !o.Ipv6 {
			return net.JoinHostPort(o.IPAddress, strconv.Itoa(o.Port))
		}
	}
	return "its datacenter " + strconv.Itoa(s.primary)
}

func (s servers) list() dcs.List {
	if len(s.given) > 0 {
		return dcs.List{Options: s.given}
	}
	return dcs.Prod()
}

// dialTimeout bounds one attempt to open a socket.
const dialTimeout = 10 * time.Second

// resolver dials the datacenters we were given, whatever addresses the server announces: its own may mean nothing from here.
func (s servers) resolver() dcs.Resolver {
	plain := dcs.Plain(dcs.PlainOptions{Dial: (&net.Dialer{Timeout: dialTimeout}).DialContext})
	if len(s.given) == 0 {
		return plain
	}
	return pinned{plain, s.list()}
}

type pinned struct {
	dcs.Resolver
	list dcs.List
}

func (p pinned) Primary(ctx context.Context, dc int, _ dcs.List) (transport.Conn, error) {
	return p.Resolver.Primary(ctx, dc, p.list)
}

// attentive notes whether the server ever said something.
type attentive struct {
	dcs.Resolver
	alive atomic.Bool
}

func (a *attentive) Primary(ctx context.Context, dc int, list dcs.List) (transport.Conn, error) {
	conn, err := a.Resolver.Primary(ctx, dc, list)
	if err != nil {
		return nil, err
	}
	return &attentiveConn{conn, &a.alive}, nil
}

type attentiveConn struct {
	transport.Conn
	alive *atomic.Bool
}

func (c *attentiveConn) Recv(ctx context.Context, b *bin.Buffer) error {
	err := c.Conn.Recv(ctx, b)
	if err == nil {
		c.alive.Store(true)
	}
	return err
}
