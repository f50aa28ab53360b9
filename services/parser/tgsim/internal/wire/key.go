package wire

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"

	"github.com/gotd/td/crypto"
)

// Key is an authorization key and whom it stands for.
type Key struct {
	crypto.AuthKey
	Salt int64

	user  atomic.Int64
	perm  atomic.Pointer[Key]
	conns atomic.Int64
}

// Main is the permanent key behind a bound temporary one, else the key itself.
func (k *Key) Main() *Key {
	if perm := k.perm.Load(); perm != nil {
		return perm
	}
	return k
}

// User is the account logged in under this key; 0 is none.
func (k *Key) User() int64 { return k.Main().user.Load() }

// Connections counts the open connections that speak under this key.
func (k *Key) Connections() int64 { return k.Main().conns.Load() }

// Bind ties a temporary key to its permanent one.
func (k *Key) Bind(perm *Key) {
	perm.conns.Add(k.conns.Swap(0))
	k.perm.Store(perm)
}

// Keys are all authorization keys of a datacenter. With a file they outlive the process.
type Keys struct {
	mu   sync.Mutex
	byID map[[8]byte]*Key
	file string
}

// NewKeys are no keys yet, kept in memory.
func NewKeys() *Keys { return &Keys{byID: map[[8]byte]*Key{}} }

// saved is a key in the file.
type saved struct {
	Value []byte `json:"value"`
	Salt  int64  `json:"salt"`
	User  int64  `json:"user"`
}

// OpenKeys are the keys of logged-in clients that the file holds; a missing file is none. Every login is saved to it.
func OpenKeys(file string) (*Keys, error) {
	k := NewKeys()
	k.file = file
	raw, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return k, nil
	}
	if err != nil {
		return nil, err
	}
	var all []saved
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, err
	}
	for _, s := range all {
		key := &Key{AuthKey: crypto.Key(s.Value).WithID(), Salt: s.Salt}
		key.user.Store(s.User)
		k.byID[key.ID] = key
	}
	return k, nil
}

// Get is the key of an id, nil when unknown.
func (k *Keys) Get(id [8]byte) *Key {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.byID[id]
}

// Login makes a key stand for an account; 0 logs it out.
func (k *Keys) Login(key *Key, user int64) error {
	key.Main().user.Store(user)
	return k.save()
}

// Revoke logs out all keys of an account.
func (k *Keys) Revoke(user int64) error {
	k.mu.Lock()
	for _, key := range k.byID {
		key.user.CompareAndSwap(user, 0)
	}
	k.mu.Unlock()
	return k.save()
}

func (k *Keys) add(key *Key) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.byID[key.ID] = key
}

func (k *Keys) save() error {
	if k.file == "" {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	all := []saved{}
	for _, key := range k.byID {
		if user := key.user.Load(); user != 0 {
			all = append(all, saved{Value: key.Value[:], Salt: key.Salt, User: user})
		}
	}
	raw, err := json.Marshal(all)
	if err != nil {
		return err
	}
	if err := os.WriteFile(k.file+".new", raw, 0o600); err != nil {
		return err
	}
	return os.Rename(k.file+".new", k.file)
}
