package account

import (
	"errors"
	"strings"
	"testing"
)

// FuzzOpen: what was not sealed here for this account does not open, and the complaint holds neither session nor key.
func FuzzOpen(f *testing.F) {
	const session = "hunter2 of the session"
	s, err := NewSealer(Key{bytes: [keySize]byte{1, 2, 3}, Source: "a test"})
	if err != nil {
		f.Fatal(err)
	}
	sealed := s.Seal(7, []byte(session))
	for _, seed := range [][]byte{sealed, sealed[:len(sealed)-1], sealed[:25], {sealVersion}, {}, append([]byte{2}, sealed[1:]...), []byte(session)} {
		f.Add(int64(7), seed)
		f.Add(int64(8), seed)
	}
	f.Fuzz(func(t *testing.T, id int64, given []byte) {
		opened, err := s.Open(ID(id), given)
		var key *KeyError
		switch {
		case err == nil && (id != 7 || string(opened) != session):
			t.Errorf("%x opened for account %d: %q", given, id, opened)
		case err != nil && (!errors.As(err, &key) || opened != nil || strings.Contains(err.Error(), "hunter2")):
			t.Errorf("%x: %v with %d bytes", given, err, len(opened))
		}
	})
}

// FuzzKey: a key that is understood makes a sealer, one that is not is never repeated.
func FuzzKey(f *testing.F) {
	two := strings.Repeat("ab", keySize) + "\n" + strings.Repeat("cd", keySize)
	for _, seed := range []string{"", two, "# only a note", "hunter2hunter2hunter2hunter2hunter2", strings.Repeat("ab", keySize), strings.Repeat("A", 43) + "=", strings.Repeat("A", 43), " \n", "\x00\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		keys, err := parseKeys(text, "a test")
		if err != nil {
			if said := strings.TrimSpace(text); len(said) >= keySize && strings.Contains(err.Error(), said) {
				t.Errorf("the complaint repeats the key: %v", err)
			}
			return
		}
		s, err := NewSealer(keys...)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.Open(1, s.Seal(1, []byte("session"))); err != nil || string(got) != "session" {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	})
}
