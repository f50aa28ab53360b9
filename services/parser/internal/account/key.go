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
	"unicode"
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

// LoadKey is the newest of LoadKeys: the one that seals.
func LoadKey(value, file string) (Key, error) {
	keys, err := LoadKeys(value, file)
	if err != nil {
		return Key{}, err
	}
	return keys[0], nil
}

// LoadKeys takes the keys, newest first, from value (each 32 bytes as hex or base64, as set in the environment, several with spaces or commas between) when there is one, else
// from file, which has one on each line, and is made with a random key, for our eyes only, when it does not exist. The first seals; all open.
func LoadKeys(value, file string) ([]Key, error) {
	if value != "" {
		return parseKeys(value, "the environment")
	}
	if file == "" {
		return nil, errors.New("no session key: set one in the environment (32 bytes as hex or base64) or name a key file")
	}
	text, err := ReadKeyFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeKey(file); err != nil {
			return nil, err
		}
		text, err = ReadKeyFile(file)
	}
	if err != nil {
		return nil, err
	}
	return parseKeys(text, "file "+file)
}

// FreshKey is a random key as a line of a key file.
func FreshKey() string {
	var key [keySize]byte
	_, _ = rand.Read(key[:]) // never fails, says its documentation
	return hex.EncodeToString(key[:]) + "\n"
}

// ReadKeyFile is the text of a key file that nobody else can read.
func ReadKeyFile(file string) (string, error) {
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
	_, err = fresh.WriteString(FreshKey())
	if err = errors.Join(err, fresh.Sync(), fresh.Close()); err != nil {
		return fmt.Errorf("write the session key file: %w", err)
	}
	if err := os.Link(fresh.Name(), file); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("put the session key file in place: %w", err)
	}
	return nil
}

func parseKeys(text, source string) (keys []Key, err error) {
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || unicode.IsSpace(r) }) {
		key, err := parseKey(part, source)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("there is no session key in %s: want 32 bytes as hex or base64", source)
	}
	return keys, nil
}

func parseKey(text, source string) (Key, error) {
	for _, decode := range []func(string) ([]byte, error){
		hex.DecodeString, base64.StdEncoding.DecodeString, base64.RawStdEncoding.DecodeString, base64.URLEncoding.DecodeString, base64.RawURLEncoding.DecodeString,
	} {
		if b, err := decode(text); err == nil && len(b) == keySize {
			return Key{bytes: [keySize]byte(b), Source: source}, nil
		}
	}
	return Key{}, fmt.Errorf("the session key from %s is malformed: want 32 bytes as hex or base64", source)
}
