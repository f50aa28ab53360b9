package embedded

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	postgres "github.com/fergusstrange/embedded-postgres"
)

// fetchedPostgres runs binaries that are downloaded at the first start, where the machine has none.
func fetchedPostgres(ctx context.Context, dir string, log *slog.Logger) (*Process, error) {
	began := time.Now()
	if os.Geteuid() == 0 {
		return nil, fmt.Errorf("there is no Postgres on this machine, and a fetched one refuses to run as root: apt-get install postgresql, or give --database-url")
	}
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	db := postgres.NewDatabase(postgres.DefaultConfig().Port(uint32(port)).Username(superuser).Password(superuser).Database(superuser).
		DataPath(filepath.Join(dir, "postgres")).RuntimePath(filepath.Join(dir, "postgres-runtime")).Logger(&tail{}))
	if err := db.Start(); err != nil {
		return nil, fmt.Errorf("there is no Postgres on this machine, and fetching one did not work (%w): install PostgreSQL, or give --database-url", err)
	}
	p := &Process{
		URL:  fmt.Sprintf("postgres://%s:%s@127.0.0.1:%d/%s?sslmode=disable", superuser, superuser, port, superuser),
		Kind: "fetched binary", stop: db.Stop,
	}
	logStarted(log, "postgres", p, began)
	return p, nil
}
