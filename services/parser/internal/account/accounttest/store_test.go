package accounttest

import "testing"

func TestFake(t *testing.T) {
	t.Parallel()
	TestStore(t, func(*testing.T) Opened {
		s := NewStore()
		return Opened{Store: s, Expire: s.Expire}
	})
}
