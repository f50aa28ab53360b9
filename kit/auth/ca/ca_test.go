package ca

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

func TestCertificatesAreMadeOnceAndNeverOverwrittenSilently(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir()+"/certs", time.Now()
	if _, err := Issue(dir, "parser", nil, false, now); err == nil || !strings.Contains(err.Error(), "certs init") {
		t.Errorf("without an authority: %v, want to be told to make one", err)
	}
	if made, err := Init(dir, now); err != nil || made.Done != "made" {
		t.Fatalf("got %v, %v", made.Done, err)
	}
	step := func(name, host string, renew bool, now time.Time, want string) *x509.Certificate {
		t.Helper()
		got, err := Issue(dir, "parser", []string{host}, renew, now)
		if want == "" {
			if err == nil || !strings.Contains(err.Error(), "--renew") {
				t.Errorf("%s: got %q, %v, want a refusal that names --renew", name, got.Done, err)
			}
			return nil
		}
		if err != nil || got.Done != want {
			t.Errorf("%s: got %q, %v, want %q", name, got.Done, err, want)
		}
		return got.Cert
	}
	first := step("first", "localhost", false, now, "made")
	if kept := step("again", "localhost", true, now, "kept"); kept == nil || !kept.Equal(first) {
		t.Error("the certificate that was kept is another")
	}
	step("another host", "127.0.0.1", false, now, "")
	both := step("another host, renewed", "127.0.0.1", true, now, "renewed")
	if both.VerifyHostname("localhost") != nil || both.VerifyHostname("127.0.0.1") != nil || both.VerifyHostname("parser") != nil {
		t.Errorf("got hosts %v, %v, want the old, the new and its name", both.DNSNames, both.IPAddresses)
	}
	step("far from its end", "localhost", true, now.Add(Life-RenewBefore-time.Hour), "kept")
	step("near its end, not asked to", "localhost", false, now.Add(Life-time.Hour), "kept")
	step("over, not asked to", "localhost", false, now.Add(Life+time.Hour), "")
	step("near its end", "localhost", true, now.Add(Life-RenewBefore+time.Hour), "renewed")
	if kept, err := Init(dir, now); err != nil || kept.Done != "kept" {
		t.Errorf("the authority again: got %q, %v", kept.Done, err)
	}
	if _, err := Init(dir, now.Add(authorityLife+time.Hour)); err == nil {
		t.Error("an authority that is over is kept")
	}
}

// Whatever a crash leaves behind, the pair fits, and asking again finishes what was begun.
func TestACrashBetweenKeyAndCertificateIsNoMatter(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), time.Now()
	remove := func(crt string) {
		t.Helper()
		if err := os.Remove(crt); err != nil {
			t.Fatal(err)
		}
	}
	made := func(o Outcome, err error) *x509.Certificate {
		t.Helper()
		if err != nil || o.Done == "kept" {
			t.Fatal(o.Done, err)
		}
		return o.Cert
	}
	authority := made(Init(dir, now))
	crt, _ := Paths(dir, "ca")
	remove(crt)
	if again := made(Init(dir, now)); !again.PublicKey.(*ecdsa.PublicKey).Equal(authority.PublicKey) {
		t.Error("the authority has another key than the one that was there")
	}
	crt, key := Paths(dir, "parser")
	first := made(Issue(dir, "parser", nil, false, now))
	remove(crt)
	made(Issue(dir, "parser", nil, false, now))
	if renewed := made(Issue(dir, "parser", nil, true, now.Add(Life))); !renewed.PublicKey.(*ecdsa.PublicKey).Equal(first.PublicKey) {
		t.Error("a renewal changed the key, which a crash can separate from its certificate")
	}
	if _, err := tls.LoadX509KeyPair(crt, key); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(key, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Issue(dir, "parser", nil, true, now); err == nil {
		t.Error("a broken key is taken")
	}
}

func TestAnIssuedCertificateServesAndCallsAndSignsNothing(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), time.Now()
	authority, err := Init(dir, now)
	if err != nil {
		t.Fatal(err)
	}
	issued, err := Issue(dir, "scheduler", []string{"10.0.0.1", "scheduler.internal"}, false, now)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(authority.Cert)
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		if _, err := issued.Cert.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{usage}}); err != nil {
			t.Errorf("usage %v: %v", usage, err)
		}
	}
	if issued.Cert.IsCA || issued.Cert.Subject.CommonName != "scheduler" || !issued.Cert.IPAddresses[0].Equal(net.IPv4(10, 0, 0, 1)) {
		t.Errorf("got %v, CA %t, IPs %v", issued.Cert.Subject, issued.Cert.IsCA, issued.Cert.IPAddresses)
	}
	for file, mode := range map[string]os.FileMode{"ca.key": 0o600, "scheduler.key": 0o600, "ca.crt": 0o644, "scheduler.crt": 0o644} {
		if info, err := os.Stat(dir + "/" + file); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: got %v, %v, want %v", file, info.Mode(), err, mode)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 4 {
		t.Errorf("got %d files, want 4", len(left))
	}
	for _, name := range []string{"ca", "", "../x", "a/b", "UPPER", "-x", strings.Repeat("a", 64)} {
		if _, err := Issue(dir, name, nil, false, now); err == nil {
			t.Errorf("the name %q is taken", name)
		}
	}
	if err := os.Remove(dir + "/ca.key"); err != nil {
		t.Fatal(err)
	}
	if _, err := Init(dir, now); err == nil {
		t.Error("half an authority was overwritten")
	}
}
