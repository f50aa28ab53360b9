package e2e

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	eventv1 "github.com/tidemark/tidemark/gen/tidemark/event/v1"
	schedulerv1 "github.com/tidemark/tidemark/gen/tidemark/scheduler/v1"
	"github.com/tidemark/tidemark/kit/embedded"
	"github.com/tidemark/tidemark/kit/env"
	"github.com/tidemark/tidemark/services/parser/tgsim"
)

// A dump is restored into another server, whose transactions count from lower numbers, beside a Redis that knows more than the dump.
func TestARestoredBackupLosesNothing(t *testing.T) {
	h := build(t, tgsim.Spec{Seed: 41, Channels: 2, Messages: 400, End: end})
	h.counts(20_000)
	h.follow(h.names()...)
	h.complete(h.names()...)
	h.page("backup")
	name := h.names()[0]
	edited := h.lives(name)
	for _, name := range h.names() {
		h.becomes(name)
	}
	h.halt()

	other, err := embedded.Postgres(t.Context(), t.TempDir(), embedded.PostgresOptions{Fast: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	h.stores.DatabaseURL = env.Secret(other.URL)
	h.page("restore")
	h.start()
	for _, c := range h.world.Summaries() {
		if _, err := h.runs.RereadChannel(t.Context(), &schedulerv1.RereadChannelRequest{ChannelId: c.ID}); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range h.names() {
		h.becomes(name)
		h.told(name)
	}
	if err := h.world.Edit(name, edited, "corrected after the restore"); err != nil { // its second revision, again
		t.Fatal(err)
	}
	h.told(name)
}

// counts lets n transactions happen, so that numbers of this server mean the future in a new one.
func (h *house) counts(n int) {
	h.Helper()
	h.exec(fmt.Sprintf("DO $$ BEGIN FOR i IN 1..%d LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$", n))
}

func (h *house) exec(sql string) {
	h.Helper()
	db, err := pgx.Connect(h.Context(), h.stores.DatabaseURL.Reveal())
	if err != nil {
		h.Fatal(err)
	}
	defer func() { _ = db.Close(context.WithoutCancel(h.Context())) }()
	if _, err := db.Exec(h.Context(), sql); err != nil {
		h.Fatal(err)
	}
}

// lives is what happens after the dump: news, an edit of the news and of something old, a deletion. It answers the news that was edited.
func (h *house) lives(name string) (edited int) {
	h.Helper()
	old := h.truth(name).Posts
	for _, text := range []string{"after the dump", "and again"} {
		id, err := h.world.Post(name, tgsim.Draft{Text: text})
		if err != nil {
			h.Fatal(err)
		}
		edited = id
	}
	h.becomes(name) // so that the edit is a second revision
	if err := h.world.Edit(name, edited, "after the dump, and corrected"); err != nil {
		h.Fatal(err)
	}
	if err := h.world.Edit(name, old[len(old)-3].ID, "corrected after the dump"); err != nil {
		h.Fatal(err)
	}
	if _, err := h.world.Delete(name, old[len(old)-5].ID); err != nil {
		h.Fatal(err)
	}
	return edited
}

// told waits until a consumer that drops what it has seen, by ids, ends with what each post is: revisions are counted on from the dump, so the same
// number brings another text.
func (h *house) told(name string) {
	h.Helper()
	h.eventually(func() string {
		is := h.truth(name)
		last := map[int64]string{}
		seen := map[string]bool{}
		for _, e := range h.events(is.ID) {
			if !seen[e.GetId()] {
				last[e.GetMessageId()] = text(e)
			}
			seen[e.GetId()] = true
		}
		for _, p := range is.Posts {
			if last[int64(p.ID)] != p.Text {
				return "the text of a post in the stream"
			}
		}
		return ""
	})
}

func text(e *eventv1.Event) string {
	if p := e.GetPostEdited().GetPost(); p != nil {
		return p.GetText()
	}
	return e.GetPostCreated().GetPost().GetText()
}

// page runs a block of docs/backup.md, as somebody would who has DATABASE_URL in the environment.
func (h *house) page(block string) {
	h.Helper()
	content, err := os.ReadFile("../../docs/backup.md")
	if err != nil {
		h.Fatal(err)
	}
	found := regexp.MustCompile("(?s)```bash " + block + "\n(.*?)```").FindSubmatch(content)
	if found == nil {
		h.Fatalf("docs/backup.md has no block %q", block)
	}
	tools, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		h.Fatal(err)
	}
	cmd := exec.CommandContext(h.Context(), "bash", "-euo", "pipefail", "-c", string(found[1])) //nolint:gosec // our own page
	cmd.Dir = h.dir
	cmd.Env = append(os.Environ(), "DATABASE_URL="+h.stores.DatabaseURL.Reveal(), "PATH="+strings.Join(append(tools, os.Getenv("PATH")), ":"))
	if out, err := cmd.CombinedOutput(); err != nil {
		h.Fatalf("the block %q of docs/backup.md: %v: %s", block, err, out)
	}
}
