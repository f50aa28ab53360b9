package ingesttest

import "testing"

func TestMemory(t *testing.T) {
	t.Parallel()
	TestStore(t, func(*testing.T) Opened {
		m := NewMemory()
		return Opened{m, m, m, m.Events}
	})
}
