package account

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const hexKey = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

func sealer(t *testing.T, key string) *Sealer {
	t.Helper()
	k, err := LoadKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSealer(k)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSealedSessionOpensOnlyForItsAccountAndKey(t *testing.T) {
	t.Parallel()
	s, session := sealer(t, hexKey), []byte("auth key and salt")
	sealed := s.Seal(7, session)
	if got, err := s.Open(7, sealed); err != nil || !bytes.Equal(got, session) {
		t.Fatalf("got %q, %v, want the session", got, err)
	}
	if bytes.Contains(sealed, session[:8]) {
		t.Error("the session can be read in its sealed form")
	}
	if bytes.Equal(sealed, s.Seal(7, session)) {
		t.Error("sealing twice gives the same bytes: the nonce repeats")
	}
	damaged, old := bytes.Clone(sealed), bytes.Clone(sealed)
	damaged[len(damaged)-1] ^= 1
	old[0] = 9
	for name, open := range map[string]func() ([]byte, error){
		"another account": func() ([]byte, error) { return s.Open(8, sealed) },
		"another key":     func() ([]byte, error) { return sealer(t, strings.Repeat("ab", 32)).Open(7, sealed) },
		"damaged":         func() ([]byte, error) { return s.Open(7, damaged) },
		"another version": func() ([]byte, error) { return s.Open(7, old) },
		"cut":             func() ([]byte, error) { return s.Open(7, sealed[:20]) },
		"empty":           func() ([]byte, error) { return s.Open(7, nil) },
	} {
		got, err := open()
		var key *KeyError
		if got != nil || !errors.As(err, &key) || key.Source != "the environment" {
			t.Errorf("%s: got %q, %v, want a KeyError naming the environment", name, got, err)
		}
	}
}

func TestLoadKeyFromTheEnvironment(t *testing.T) {
	t.Parallel()
	raw := bytes.Repeat([]byte{0xfb}, keySize)
	for name, value := range map[string]string{
		"hex": fmt.Sprintf("%x", raw), "base64": base64.StdEncoding.EncodeToString(raw), "url base64": base64.RawURLEncoding.EncodeToString(raw), "spaces": " " + fmt.Sprintf("%X", raw) + "\n",
	} {
		if k, err := LoadKey(value, "/nowhere/at/all"); err != nil || !bytes.Equal(k.bytes[:], raw) {
			t.Errorf("%s: got %v, want the key", name, err)
		}
	}
	for name, value := range map[string]string{"short": "abcd", "no hex": strings.Repeat("zz", 32)} {
		if _, err := LoadKey(value, ""); err == nil || strings.Contains(err.Error(), value) {
			t.Errorf("%s: got %v, want an error without the value", name, err)
		}
	}
	if _, err := LoadKey("", ""); err == nil {
		t.Error("got no error without a key and a file")
	}
}

func TestLoadKeyMakesItsFileOnce(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "data", "session.key")
	first, err := LoadKey("", file)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want a file of mode 0600", info.Mode(), err)
	}
	again, err := LoadKey("", file)
	if err != nil || again != first {
		t.Errorf("got another key at the second start, %v", err)
	}
	if !strings.Contains(first.Source, file) {
		t.Errorf("got source %q, want the file named", first.Source)
	}
	if left, err := os.ReadDir(filepath.Dir(file)); err != nil || len(left) != 1 {
		t.Errorf("got %d files, want only the key: %v", len(left), err)
	}
}

func TestLoadKeyRefusesAFileThatOthersCanRead(t *testing.T) {
	t.Parallel()
	for _, mode := range []os.FileMode{0o640, 0o604, 0o644} {
		file := filepath.Join(t.TempDir(), "session.key")
		if err := os.WriteFile(file, []byte(hexKey), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadKey("", file); err == nil || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("mode %o: got %v, want a refusal that says what to do", mode, err)
		}
	}
}

func TestAKeyDoesNotPrint(t *testing.T) {
	t.Parallel()
	k, err := LoadKey(hexKey, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(format, k); got != "key from the environment" {
			t.Errorf("%s prints %q", format, got)
		}
	}
}
