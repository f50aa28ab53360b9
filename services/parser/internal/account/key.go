package account

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// keySize is XChaCha20-Poly1305's, in bytes.
const keySize = 32

// Key seals sessions. It does not print.
type Key struct {
	bytes  [keySize]byte
	Source string // for people: where it comes from
}

// String names the source only.
func (k Key) String() string { return "key from " + k.Source }

// GoString names the source only.
func (k Key) GoString() string { return k.String() }

// LoadKey takes the key from value (hex or base64 of 32 bytes, as set in the environment) when there is one, else from file, which is made
// with a random key, for our eyes only, when it does not exist.
func LoadKey(value, file string) (Key, error) {
	if value != "" {
		return parseKey(value, "the environment")
	}
	if file == "" {
		return Key{}, errors.New("no session key: set one in the environment (32 bytes as hex or base64) or name a key file")
	}
	text, err := readKey(file)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeKey(file); err != nil {
			return Key{}, err
		}
		text, err = readKey(file)
	}
	if err != nil {
		return Key{}, err
	}
	return parseKey(text, "file "+file)
}

func readKey(file string) (string, error) {
	info, err := os.Stat(file)
	if err != nil {
		return "", fmt.Errorf("look at the session key file: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return "", fmt.Errorf("the session key file %s can be read by others (mode %04o): run chmod 600 %s", file, mode, file)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read the session key file: %w", err)
	}
	return string(text), nil
}

// makeKey writes the whole file under another name first, so that two starts at once end with one key, and a crash with none or a whole one.
func makeKey(file string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("make the session key's folder: %w", err)
	}
	fresh, err := os.CreateTemp(filepath.Dir(file), ".session-key-") // made 0600
	if err != nil {
		return fmt.Errorf("make the session key file: %w", err)
	}
	defer func() { _ = os.Remove(fresh.Name()) }()
	var key [keySize]byte
	_, _ = rand.Read(key[:]) // never fails, says its documentation
	_, err = fresh.WriteString(hex.EncodeToString(key[:]) + "\n")
	if err = errors.Join(err, fresh.Sync(), fresh.Close()); err != nil {
		return fmt.Errorf("write the session key file: %w", err)
	}
	if err := os.Link(fresh.Name(), file); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("put the session key file in place: %w", err)
	}
	return nil
}

func parseKey(text, source string) (Key, error) {
	text = strings.TrimSpace(text)
	for _, decode := range []func(string) ([]byte, error){
		hex.DecodeString, base64.StdEncoding.DecodeString, base64.RawStdEncoding.DecodeString, base64.URLEncoding.DecodeString, base64.RawURLEncoding.DecodeString,
	} {
		if b, err := decode(text); err == nil && len(b) == keySize {
			return Key{bytes: [keySize]byte(b), Source: source}, nil
		}
	}
	return Key{}, fmt.Errorf("the session key from %s is malformed: want 32 bytes as hex or base64", source)
}
