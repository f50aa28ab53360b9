package pgtest

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/tidemark/tidemark/kit/env"
)

// Away cuts every connection to a test's database and refuses new ones, as a Postgres that is gone does, until back is called.
func Away(t testing.TB, database env.Secret) (back func()) {
	t.Helper()
	u, err := url.Parse(database.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	name, admin := strings.TrimPrefix(u.Path, "/"), adminURL(t)
	execute(t, admin, fmt.Sprintf("ALTER DATABASE %s WITH ALLOW_CONNECTIONS false", name))
	execute(t, admin, fmt.Sprintf("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '%s'", name))
	return func() {
		t.Helper()
		execute(t, admin, fmt.Sprintf("ALTER DATABASE %s WITH ALLOW_CONNECTIONS true", name))
	}
}
