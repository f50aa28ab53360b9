package telegram

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzServers reads a list of datacenters, and a file of keys.
func FuzzServers(f *testing.F) {
	f.Add("2=127.0.0.1:443,4=[::1]:80", []byte("-----BEGIN RSA PUBLIC KEY-----\nMEgCQQ==\n-----END RSA PUBLIC KEY-----\n"))
	f.Add(" 2 = h:1 ,,", []byte{})
	f.Add("99999999999999999999=h:65536", []byte("-----BEGIN PUBLIC KEY-----\n"))
	f.Fuzz(func(t *testing.T, list string, keys []byte) {
		if s, err := newServers(list, ""); err == nil {
			for _, o := range s.given {
				if o.ID <= 0 || o.Port <= 0 || o.Port > 65535 || o.IPAddress == "" {
					t.Errorf("%q gave datacenter %d at %s:%d", list, o.ID, o.IPAddress, o.Port)
				}
			}
			if s.address() == "" || s.resolver() == nil {
				t.Errorf("%q gave no address", list)
			}
		} else if !strings.Contains(err.Error(), "want NUMBER=HOST:PORT") {
			t.Errorf("%q: %v, want to be told the form", list, err)
		}
		file := filepath.Join(t.TempDir(), "keys.pem")
		if err := os.WriteFile(file, keys, 0o600); err != nil {
			t.Fatal(err)
		}
		if found, err := readKeys(file); err == nil && (len(found) == 0 || found[0].RSA == nil) {
			t.Errorf("%q gave no key and no complaint", keys)
		}
	})
}
