package plantest

import (
	"testing"
	"time"

	"github.com/tidemark/tidemark/services/scheduler/internal/plan"
)

func TestStore(t *testing.T) {
	Suite(t, func(*testing.T) (Tested, func() []plan.ChannelID) {
		s := NewStore(time.Now)
		return s, s.Queued
	})
}
