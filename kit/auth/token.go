package auth

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/time/rate"
)

// tokenPrefix lets people, and programs that look for leaks, see what a token is.
const tokenPrefix = "tm_"

// Token is what is kept of a bearer token: all but the token. It is 256 random bits, so that one round of SHA-256 hides it as well as a slow hash would: there is
// nothing to guess.
type Token struct {
	Name      string     `json:"name"`
	Scope     Scope      `json:"scope"`
	SHA256    string     `json:"sha256"` // of the whole text, hex
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"` // nil: never
	Rate      float64    `json:"calls_per_second,omitempty"`
}

// rates are the calls per second of a token that says nothing else; twice as many may come at once.
var rates = map[Scope]float64{Read: 100, Operate: 50, Admin: 20}

func (t Token) rate() float64 {
	if t.Rate > 0 {
		return t.Rate
	}
	return rates[t.Scope]
}

// Expired is true from its last instant on.
func (t Token) Expired(now time.Time) bool { return t.ExpiresAt != nil && !now.Before(*t.ExpiresAt) }

// Is is true of the text that this token was made with.
func (t Token) Is(text string) bool {
	sum := sha256.Sum256([]byte(text))
	return strings.EqualFold(t.SHA256, hex.EncodeToString(sum[:]))
}

var tokenName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

func (t Token) validate() error {
	sum, err := hex.DecodeString(t.SHA256)
	switch {
	case !tokenName.MatchString(t.Name):
		return fmt.Errorf("the name %q of a token is malformed: want up to 63 of a-z, 0-9, dot, dash, underscore", t.Name)
	case t.Scope < Read || t.Scope > Admin:
		return fmt.Errorf("token %s has no scope: want read, operate or admin", t.Name)
	case err != nil || len(sum) != sha256.Size:
		return fmt.Errorf("token %s: its sha256 is malformed", t.Name)
	case t.Rate < 0:
		return fmt.Errorf("token %s: calls per second must not be negative", t.Name)
	}
	return nil
}

// NewToken makes a token; its text is shown to its owner once and kept nowhere.
func NewToken(name string, scope Scope, created time.Time) (text string, t Token) {
	var bits [32]byte
	_, _ = rand.Read(bits[:]) // never fails, says its documentation
	text = tokenPrefix + base64.RawURLEncoding.EncodeToString(bits[:])
	sum := sha256.Sum256([]byte(text))
	return text, Token{Name: name, Scope: scope, SHA256: hex.EncodeToString(sum[:]), CreatedAt: created.UTC().Truncate(time.Second)}
}

type tokenFile struct {
	Tokens []Token `json:"tokens"`
}

// ReadTokens are the tokens in a file, by name.
func ReadTokens(path string) ([]Token, error) {
	content, err := read(path, "tokens file")
	if err != nil {
		return nil, err
	}
	var file tokenFile
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&file); err != nil {
		return nil, fmt.Errorf("tokens file %s is malformed: %w", path, err)
	}
	names, sums := map[string]bool{}, map[string]bool{}
	for _, t := range file.Tokens {
		if err := t.validate(); err != nil {
			return nil, fmt.Errorf("tokens file %s: %w", path, err)
		}
		if names[t.Name] || sums[strings.ToLower(t.SHA256)] {
			return nil, fmt.Errorf("tokens file %s: token %s is there twice", path, t.Name)
		}
		names[t.Name], sums[strings.ToLower(t.SHA256)] = true, true
	}
	return file.Tokens, nil
}

// ChangeTokens replaces the tokens in a file by what change makes of them, whole or not at all; a file that is not there holds none. Two changes at once follow one another.
func ChangeTokens(path string, change func([]Token) ([]Token, error)) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the folder of the tokens file: %w", err)
	}
	unlock, err := Lock(dir)
	if err != nil {
		return err
	}
	defer unlock()
	tokens, err := ReadTokens(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if tokens, err = change(tokens); err != nil {
		return err
	}
	for _, t := range tokens {
		if err := t.validate(); err != nil {
			return err
		}
	}
	slices.SortFunc(tokens, func(a, b Token) int { return strings.Compare(a.Name, b.Name) })
	content, err := json.MarshalIndent(tokenFile{tokens}, "", "  ")
	if err != nil {
		return fmt.Errorf("write tokens: %w", err)
	}
	return Replace(path, append(content, '\n'), 0o600)
}

// Lock holds a folder among those who change files in it.
func Lock(dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX); err != nil {
		_ = d.Close()
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return func() { _ = d.Close() }, nil
}

// Replace writes a file whole or not at all, also when the machine dies. A file that is there keeps its mode and, where we may say so, its owner.
func Replace(path string, content []byte, mode fs.FileMode) error {
	before, err := os.Stat(path)
	if err == nil {
		mode = before.Mode().Perm()
	}
	fresh, err := os.CreateTemp(filepath.Dir(path), ".fresh-") // made 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() { _ = os.Remove(fresh.Name()) }()
	if before != nil {
		if owner, ok := before.Sys().(*syscall.Stat_t); ok {
			_ = fresh.Chown(int(owner.Uid), int(owner.Gid))
		}
	}
	_, err = fresh.Write(content)
	if err = errors.Join(err, fresh.Chmod(mode), fresh.Sync(), fresh.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(fresh.Name(), path); err != nil {
		return fmt.Errorf("put %s in place: %w", path, err)
	}
	return nil
}

// Tokens are the tokens that a server takes, following their file.
type Tokens struct{ book *followed[[]entry] }

// entry is a token with what it has left to spend. There are as many as the file has lines, whatever callers do.
type entry struct {
	Token
	sum     []byte
	limiter *rate.Limiter
}

// OpenTokens follows a tokens file.
func OpenTokens(path string, log *slog.Logger) (*Tokens, error) {
	var last []entry
	book, err := follow(func() ([]entry, error) {
		tokens, err := ReadTokens(path)
		if err != nil {
			return nil, err
		}
		last = entries(tokens, last)
		return last, nil
	}, log, path)
	return &Tokens{book}, err
}

// entries keeps what a token has spent over a change of the file.
func entries(tokens []Token, before []entry) []entry {
	out := make([]entry, len(tokens))
	for i, t := range tokens {
		sum, _ := hex.DecodeString(t.SHA256) // validated
		out[i] = entry{t, sum, rate.NewLimiter(rate.Limit(t.rate()), max(1, int(2*t.rate())))}
		for _, b := range before {
			if b.SHA256 == t.SHA256 && b.rate() == t.rate() {
				out[i].limiter = b.limiter
			}
		}
	}
	return out
}

// find is the token whose text this is. It takes the same time whichever it is, and whether it is one.
func (t *Tokens) find(text string) (found entry, ok bool) {
	return t.bySum(sha256.Sum256([]byte(text)))
}

func (t *Tokens) bySum(sum [sha256.Size]byte) (found entry, ok bool) {
	for _, e := range t.book.now() {
		if subtle.ConstantTimeCompare(e.sum, sum[:]) == 1 {
			found, ok = e, true
		}
	}
	return found, ok
}
