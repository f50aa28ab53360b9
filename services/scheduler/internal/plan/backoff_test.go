package plan

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whatever a channel met and however often, it is looked at again later than now, and within the longest pause there is.
func TestEveryPauseEnds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := Channel{
			ID:       ChannelID(rapid.Int64Range(1, 1<<40).Draw(t, "id")),
			Interval: time.Duration(rapid.Int64Range(int64(10*time.Second), int64(30*24*time.Hour)).Draw(t, "interval")),
			Failures: rapid.IntRange(0, 1<<31-1).Draw(t, "failures"),
		}
		kind := rapid.SampledFrom([]Kind{Failed, Barred, NoReader, Stale, Refused}).Draw(t, "kind")
		pause := c.after(&Problem{Kind: kind}, created).Sub(created)
		if most := max(c.Interval, barredMost); pause <= 0 || pause > most {
			t.Fatalf("kind %d after %d failures at an interval of %s: got a pause of %s, want more than none, at most %s", kind, c.Failures, c.Interval, pause, most)
		}
	})
}
