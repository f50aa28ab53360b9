package marktest

import (
	"testing"

	"github.com/tidemark/tidemark/services/watermark/internal/mark"
)

func TestFake(t *testing.T) {
	TestStore(t, func(*testing.T) mark.Store { return NewFake() })
}
