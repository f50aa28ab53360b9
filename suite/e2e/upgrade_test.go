package e2e

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/tidemark/tidemark/services/parser/tgsim"
)

// releases are dumps of databases that each release left behind.
const releases = "testdata/releases"

// release makes such a dump, once, when a release is made: go test ./suite/e2e -run Upgrade -release v0.1.0
var release = flag.String("release", "", "make the dump of this release")

// A database of every release so far is brought up by this program: what was read stays, and reading goes on.
func TestUpgradeFromEveryRelease(t *testing.T) {
	spec := tgsim.Spec{Seed: 51, Channels: 2, Messages: 120, End: end}
	if *release != "" {
		makeRelease(t, spec)
		return
	}
	dumps, err := filepath.Glob(releases + "/*.dump")
	if err != nil || len(dumps) == 0 {
		t.Fatalf("no dumps in %s: %v", releases, err)
	}
	for _, dump := range dumps {
		t.Run(filepath.Base(dump), func(t *testing.T) {
			t.Parallel()
			world, err := tgsim.NewWorld(spec)
			if err != nil {
				t.Fatal(err)
			}
			h := &house{T: t, world: world, dir: t.TempDir()}
			h.openTelegram()
			h.openStores()
			content, err := os.ReadFile(dump) //nolint:gosec // found above
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(h.dir, "tidemark.dump"), content, 0o600); err != nil {
				t.Fatal(err)
			}
			h.page("restore")
			h.upgraded()
		})
	}
}

// upgraded starts this program on what an older one left: its accounts are gone with their session key, all else is there.
func (h *house) upgraded() {
	h.Helper()
	h.start()
	for _, name := range h.names() {
		if diff := h.difference(h.truth(name)); diff != "" {
			h.Errorf("@%s, before anything is read: %s", name, diff)
		}
		if got := h.coverage(h.truth(name).ID); got.GetCoveredCount() != int64(h.truth(name).Last) {
			h.Errorf("@%s: %d ids are covered, want all %d", name, got.GetCoveredCount(), h.truth(name).Last)
		}
	}
	h.login()
	for _, name := range h.names() {
		if _, err := h.world.Post(name, tgsim.Draft{Text: "since the upgrade"}); err != nil {
			h.Fatal(err)
		}
		h.becomes(name)
		h.told(name)
	}
}

func makeRelease(t *testing.T, spec tgsim.Spec) {
	h := build(t, spec)
	h.follow(h.names()...)
	h.complete(h.names()...)
	h.halt()
	h.exec("DELETE FROM parser.accounts")
	h.page("backup")
	content, err := os.ReadFile(filepath.Join(h.dir, "tidemark.dump"))
	if err == nil {
		err = os.MkdirAll(releases, 0o750)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(releases, *release+".dump"), content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
