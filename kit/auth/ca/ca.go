// Package ca is a small certificate authority in a folder, for the services of one installation to know each other by. It is made of files that every
// other tool understands: ca.crt, ca.key, and NAME.crt with NAME.key per service. Whoever has an authority of their own needs none of this.
package ca

import (
	"crypto/ecdsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/tidemark/tidemark/kit/auth"
)

const (
	authorityLife = 10 * 365 * 24 * time.Hour
	// Life is how long an issued certificate is good.
	Life = 90 * 24 * time.Hour
	// RenewBefore is how long before its end a certificate is issued anew: a third of its life.
	RenewBefore = Life / 3
	// skew is how far another machine's clock may be behind.
	skew = 5 * time.Minute

	authority = "ca"
)

// Paths are where the certificate and the key of a name are.
func Paths(dir, name string) (crt, key string) {
	return filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
}

// Outcome says what was done.
type Outcome struct {
	Done string // "made", "kept" or "renewed"
	Cert *x509.Certificate
}

// Init makes the authority, unless the folder has one. Half of one, or one that is over, is an error: nothing is overwritten.
func Init(dir string, now time.Time) (Outcome, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Outcome{}, fmt.Errorf("make the folder %s: %w", dir, err)
	}
	unlock, err := auth.Lock(dir)
	if err != nil {
		return Outcome{}, err
	}
	defer unlock()
	cert, _, err := load(dir, authority)
	switch {
	case err == nil && now.After(cert.NotAfter):
		return Outcome{}, fmt.Errorf("the authority in %s ended at %s: move it away, make a new one, and issue all certificates anew", dir, cert.NotAfter.UTC().Format(time.DateOnly))
	case err == nil:
		return Outcome{"kept", cert}, nil
	case !errors.Is(err, errNone):
		return Outcome{}, err
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "Tidemark CA"}, NotBefore: now.Add(-skew), NotAfter: now.Add(authorityLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	cert, err = issue(dir, authority, template, nil, nil)
	return Outcome{"made", cert}, err
}

var serviceName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$`)

// Issue makes a certificate for a service, good for serving on hosts (names and IP addresses; its own name is always one) and for calling others, unless there is a good one
// already. One that nears its end, or lacks a host, is replaced only with renew, and then also keeps the hosts that it had.
func Issue(dir, name string, hosts []string, renew bool, now time.Time) (Outcome, error) {
	if !serviceName.MatchString(name) || name == authority {
		return Outcome{}, fmt.Errorf("%q is no name for a service: want up to 63 of a-z, 0-9, dot and dash, and not %q", name, authority)
	}
	unlock, err := auth.Lock(dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = errNone
	}
	var parent *x509.Certificate
	var key *ecdsa.PrivateKey
	if err == nil {
		defer unlock()
		parent, key, err = load(dir, authority)
	}
	if errors.Is(err, errNone) {
		return Outcome{}, fmt.Errorf("no authority in %s: make one with `tidemark certs init --dir %s`", dir, dir)
	} else if err != nil {
		return Outcome{}, err
	}
	have, _, err := load(dir, name)
	if err != nil && !errors.Is(err, errNone) {
		return Outcome{}, err
	}
	wanted, done := append([]string{name}, hosts...), "made"
	if have != nil {
		problem := lacks(have, parent, wanted, now)
		if problem == "" && (!renew || have.NotAfter.Sub(now) > RenewBefore) {
			return Outcome{"kept", have}, nil
		}
		if !renew {
			return Outcome{}, fmt.Errorf("the certificate of %s in %s %s: replace it with --renew", name, dir, problem)
		}
		wanted, done = append(wanted, hostsOf(have)...), "renewed"
	}
	cert, err := issue(dir, name, service(name, wanted, parent, now), parent, key)
	return Outcome{done, cert}, err
}

func service(name string, hosts []string, parent *x509.Certificate, now time.Time) *x509.Certificate {
	c := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-skew), NotAfter: now.Add(Life),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true,
	}
	if c.NotAfter.After(parent.NotAfter) {
		c.NotAfter = parent.NotAfter
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			if !slices.ContainsFunc(c.IPAddresses, ip.Equal) {
				c.IPAddresses = append(c.IPAddresses, ip)
			}
		} else if !slices.Contains(c.DNSNames, host) {
			c.DNSNames = append(c.DNSNames, host)
		}
	}
	return c
}

func hostsOf(c *x509.Certificate) []string {
	hosts := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		hosts = append(hosts, ip.String())
	}
	return hosts
}

// lacks says what is wrong with a certificate that is there, or "".
func lacks(c, parent *x509.Certificate, hosts []string, now time.Time) string {
	if c.CheckSignatureFrom(parent) != nil {
		return "is of another authority"
	}
	if now.After(c.NotAfter) {
		return "ended at " + c.NotAfter.UTC().Format(time.DateOnly)
	}
	for _, host := range hosts {
		if c.VerifyHostname(host) != nil {
			return "is not good for the host " + host
		}
	}
	return ""
}
