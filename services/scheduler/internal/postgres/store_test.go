package postgres

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tidemark/tidemark/kit/pg/pgtest"
	"github.com/tidemark/tidemark/services/scheduler/internal/plan"
	"github.com/tidemark/tidemark/services/scheduler/internal/plan/plantest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestStore(t *testing.T) {
	plantest.Suite(t, func(t *testing.T) (plantest.Tested, func() []plan.ChannelID) {
		var asked []plan.ChannelID
		s := New(pgtest.New(t, Schema, Migrations()), func(_ context.Context, _ pgx.Tx, jobs []Job) error {
			for _, j := range jobs {
				asked = append(asked, j.Channel)
			}
			return nil
		})
		return s, func() []plan.ChannelID { got := asked; asked = nil; return got }
	})
}
