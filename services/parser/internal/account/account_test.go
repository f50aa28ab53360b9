package account

import (
	"testing"
	"time"
)

func TestMaskPhone(t *testing.T) {
	t.Parallel()
	for phone, want := range map[string]string{
		"+10000000042": "+*********42", "+1 (000) 000-00-42": "+*********42", "10000000042": "+*********42", "+123": "+**", "": "+**", "garbage": "+**",
	} {
		if got := MaskPhone(phone); got != want {
			t.Errorf("%q: got %q, want %q", phone, got, want)
		}
	}
}

func TestFloodedUntilCountsLongWaitsOnly(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(told, until time.Duration) Flood { return Flood{Since: now.Add(told), Until: now.Add(until)} }
	for name, tc := range map[string]struct {
		floods []Flood
		want   time.Time
	}{
		"none":            {nil, time.Time{}},
		"short":           {[]Flood{at(0, 60*time.Second)}, time.Time{}},
		"over":            {[]Flood{at(-2*time.Hour, -time.Hour)}, time.Time{}},
		"long, near end":  {[]Flood{at(-time.Hour, time.Second)}, now.Add(time.Second)},
		"longest of many": {[]Flood{at(0, time.Hour), at(0, 3*time.Hour), at(0, 2*time.Hour)}, now.Add(3 * time.Hour)},
	} {
		if got := (Account{Floods: tc.floods}).FloodedUntil(now); !got.Equal(tc.want) {
			t.Errorf("%s: got %v, want %v", name, got, tc.want)
		}
	}
}
