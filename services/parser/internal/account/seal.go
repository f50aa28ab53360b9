package account

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// sealVersion is the first byte of a sealed session, so that another cipher or key can follow.
const sealVersion = 1

// Sealer encrypts sessions at rest with XChaCha20-Poly1305. A sealed session is bound to its account: moved to another row it does not open.
type Sealer struct {
	aead   cipher.AEAD
	source string
}

// NewSealer seals with a key.
func NewSealer(k Key) (*Sealer, error) {
	aead, err := chacha20poly1305.NewX(k.bytes[:])
	if err != nil {
		return nil, fmt.Errorf("set up the session cipher: %w", err)
	}
	return &Sealer{aead: aead, source: k.Source}, nil
}

// Seal is version, random nonce and ciphertext.
func (s *Sealer) Seal(id ID, session []byte) []byte {
	out := make([]byte, 1+s.aead.NonceSize(), 1+s.aead.NonceSize()+len(session)+s.aead.Overhead())
	out[0] = sealVersion
	_, _ = rand.Read(out[1:]) // never fails, says its documentation
	return s.aead.Seal(out, out[1:], session, bound(id))
}

// Open is the session again, or a *KeyError.
func (s *Sealer) Open(id ID, sealed []byte) ([]byte, error) {
	n := s.aead.NonceSize()
	if len(sealed) < 1+n+s.aead.Overhead() || sealed[0] != sealVersion {
		return nil, &KeyError{Account: id, Source: s.source, Problem: "is not in a format that this version knows"}
	}
	session, err := s.aead.Open(nil, sealed[1:1+n], sealed[1+n:], bound(id))
	if err != nil {
		return nil, &KeyError{Account: id, Source: s.source, Problem: "was sealed with another key"}
	}
	return session, nil
}

// bound is the associated data of an account's session.
func bound(id ID) []byte {
	return binary.BigEndian.AppendUint64([]byte("tidemark session\x00"), uint64(id))
}

// KeyError is a session that does not open with the key we have. Nothing was changed: with the right key it opens.
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
