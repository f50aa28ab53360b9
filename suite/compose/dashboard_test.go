package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestTheDashboardShowsWhatThereIs: Grafana shows an empty panel for a metric that nobody exports, and tells nobody.
func TestTheDashboardShowsWhatThereIs(t *testing.T) {
	t.Parallel()
	const root = "../../" // of the repository
	text, err := os.ReadFile(root + "deploy/compose/grafana/dashboards/tidemark.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			ID      int
			Type    string
			Title   string
			Targets []struct{ Expr string }
			GridPos struct{ X, Y, W, H int }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	named := sources(t, root)
	name := regexp.MustCompile(`\b(tidemark|scheduler|parser|watermark)_[a-z_]+\b`)
	ids, metrics := map[int]bool{}, 0
	for _, p := range dashboard.Panels {
		if ids[p.ID] || p.GridPos.X+p.GridPos.W > 24 || p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q: its id is another's, it does not fit, or it shows nothing", p.Title)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			for _, metric := range name.FindAllString(target.Expr, -1) {
				metrics++
				if !strings.Contains(named, `"`+strings.TrimSuffix(metric, "_bucket")+`"`) {
					t.Errorf("panel %q shows %s, which nobody exports", p.Title, metric)
				}
			}
		}
	}
	if metrics < 20 {
		t.Errorf("%d metrics are shown: the test sees nothing", metrics)
	}
}

// sources are all that our programs are made of.
func sources(t *testing.T, root string) string {
	t.Helper()
	var all strings.Builder
	for _, dir := range []string{"kit", "services"} {
		err := filepath.WalkDir(root+dir, func(path string, _ os.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path) //nolint:gosec // our own sources
			all.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}
