package account

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"sync"

	"golang.org/x/crypto/chacha20poly1305"
)

// sealVersion is the first byte of a sealed session, so that another cipher or key can follow.
const sealVersion = 1

// Sealer encrypts sessions at rest with XChaCha20-Poly1305. A sealed session is bound to its account: moved to another row it does not open. It seals
// with its newest key and opens with all it has.
type Sealer struct {
	file string // followed; "" for keys that do not change

	mu     sync.Mutex
	seen   os.FileInfo
	ring   []cipher.AEAD // newest first
	source string
}

// NewSealer seals with the first of some keys, and opens with all.
func NewSealer(keys ...Key) (*Sealer, error) {
	s := &Sealer{}
	return s, s.take(keys)
}

// OpenSealer has the keys of LoadKeys, and follows the file: a key that is put there counts at once.
func OpenSealer(value, file string) (*Sealer, error) {
	keys, err := LoadKeys(value, file) // makes the file
	if err != nil {
		return nil, err
	}
	s := &Sealer{}
	if value == "" {
		s.file = file // looked at first when it is used: what changed until then counts
	}
	return s, s.take(keys)
}

func (s *Sealer) take(keys []Key) error {
	ring := make([]cipher.AEAD, len(keys))
	for i, k := range keys {
		aead, err := chacha20poly1305.NewX(k.bytes[:])
		if err != nil {
			return fmt.Errorf("set up the session cipher: %w", err)
		}
		ring[i] = aead
		s.source = k.Source
	}
	s.ring = ring
	return nil
}

// keys are the ring as its file says it now. A file that cannot be read or understood changes nothing: what we have still opens what we sealed.
func (s *Sealer) keys() (ring []cipher.AEAD, source string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == "" {
		return s.ring, s.source
	}
	now, err := os.Stat(s.file)
	if err != nil || s.seen != nil && os.SameFile(now, s.seen) && now.ModTime().Equal(s.seen.ModTime()) && now.Size() == s.seen.Size() {
		return s.ring, s.source
	}
	text, err := ReadKeyFile(s.file)
	if err != nil {
		return s.ring, s.source
	}
	if keys, err := parseKeys(text, s.source); err == nil && s.take(keys) == nil {
		s.seen = now
	}
	return s.ring, s.source
}

// Seal is version, random nonce and ciphertext.
func (s *Sealer) Seal(id ID, session []byte) []byte {
	ring, _ := s.keys()
	newest := ring[0]
	out := make([]byte, 1+newest.NonceSize(), 1+newest.NonceSize()+len(session)+newest.Overhead())
	out[0] = sealVersion
	_, _ = rand.Read(out[1:]) // never fails, says its documentation
	return newest.Seal(out, out[1:], session, bound(id))
}

// Open is the session again, or a *KeyError.
func (s *Sealer) Open(id ID, sealed []byte) ([]byte, error) {
	session, _, err := s.OpenWith(id, sealed)
	return session, err
}

// OpenWith is Open that also answers which key it took: 0 is the newest.
func (s *Sealer) OpenWith(id ID, sealed []byte) (session []byte, key int, err error) {
	ring, source := s.keys()
	n := ring[0].NonceSize()
	if len(sealed) < 1+n+ring[0].Overhead() || sealed[0] != sealVersion {
		return nil, 0, &KeyError{Account: id, Source: source, Problem: "is not in a format that this version knows"}
	}
	for key, aead := range ring {
		if session, err := aead.Open(nil, sealed[1:1+n], sealed[1+n:], bound(id)); err == nil {
			return session, key, nil
		}
	}
	return nil, 0, &KeyError{Account: id, Source: source, Problem: "was sealed with another key"}
}

// bound is the associated data of an account's session.
func bound(id ID) []byte {
	return binary.BigEndian.AppendUint64([]byte("tidemark session\x00"), uint64(id))
}

// KeyError is a session that does not open with the keys we have. Nothing was changed: with the right key it opens.
type KeyError struct {
	Account ID
	Source  string // where our key comes from
	Problem string
}

// Error says what to do.
func (e *KeyError) Error() string {
	return fmt.Sprintf("the session of account %d %s: our key comes from %s; put the right key there, or log the account out and in again",
		e.Account, e.Problem, e.Source)
}
