package postgres_test

import (
	"testing"

	"github.com/tidemark/tidemark/kit/pg/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }
