package load_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark/tidemark/services/parser/tgsim/load"
	"github.com/tidemark/tidemark/services/parser/tgsim/world"
)

// data is the folder of real channels' data, which is not part of the repository.
func data(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("TIDEMARK_TESTDATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "..", "shared")
	}
	dir = filepath.Join(dir, "data", "telegram")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no real channel data here: set TIDEMARK_TESTDATA to the folder that holds data/telegram")
	}
	return dir
}

func TestRealData(t *testing.T) {
	t.Parallel()
	dir := data(t)
	for file, want := range map[string]string{ // channel, first and last id, posts, service messages, missing, days of first and last post
		"bbcbreaking-2017.rawtl.jsonl.gz":     "1060780848 bbcbreaking 1931 1925 4 2 2017-03-08 2017-10-27",
		"finance-ru-2019.telethon.json":       "1344086554 finance_ru_2019 69 26 3 40 2019-09-10 2019-09-22",
		"spb-events-ru-2022.telethon.json.gz": "1710432891 spb_events_ru_2022 676 654 1 21 2022-07-13 2022-08-18",
		"nyac.at-2023-05-17.desktop.json":     "1311872089 nyac_at_2023_05_17 1354 24 6 1324 2023-04-21 2023-05-17",
		"habr-2024.simple.json":               "1032086354 habr_2024 63127 944 0 62183 2024-09-12 2024-12-04",
		"golang-library-ru-2024.simple.json":  "1465826763 golang_library_ru_2024 5452 1000 0 4452 2023-08-10 2024-12-04",
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			w := world.Empty(1, nil)
			if err := load.Into(w, filepath.Join(dir, file)); err != nil {
				t.Fatal(err)
			}
			truth, err := w.Truth(fmt.Sprint(w.Channels()[0]))
			if err != nil {
				t.Fatal(err)
			}
			first, last := truth.Posts[0], truth.Posts[len(truth.Posts)-1]
			got := fmt.Sprint(truth.ID, " ", truth.Username, " ", truth.Top, " ", len(truth.Posts), " ", len(truth.Service), " ", len(truth.Deleted), " ",
				first.Date.Format(time.DateOnly), " ", last.Date.Format(time.DateOnly))
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestRealDetails(t *testing.T) {
	t.Parallel()
	dir := data(t)
	w := world.Empty(1, nil)
	err := load.Into(w, filepath.Join(dir, "spb-events-ru-2022.telethon.json.gz"), filepath.Join(dir, "nyac.at-2023-05-17.desktop.json"),
		filepath.Join(dir, "bbcbreaking-2017.rawtl.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	count := func(ref string, is func(world.Post) bool) (n int) {
		truth, err := w.Truth(ref)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range truth.Posts {
			if is(p) {
				n++
			}
		}
		return n
	}
	got := map[string]int{
		"album parts":              count("1710432891", func(p world.Post) bool { return p.Grouped != 0 }),
		"edited":                   count("1710432891", func(p world.Post) bool { return !p.Edited.IsZero() }),
		"without text":             count("1710432891", func(p world.Post) bool { return p.Text == "" }),
		"edited in the export":     count("1311872089", func(p world.Post) bool { return !p.Edited.IsZero() }),
		"web pages of raw TL":      count("bbcbreaking", func(p world.Post) bool { return p.Media == "messageMediaWebPage" }),
		"media of an unknown kind": count("bbcbreaking", func(p world.Post) bool { return p.Media == "messageMediaUnsupported" }),
	}
	want := map[string]int{"album parts": 625, "edited": 166, "without text": 489, "edited in the export": 24, "web pages of raw TL": 1760,
		"media of an unknown kind": 0}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDemo(t *testing.T) {
	t.Parallel()
	w, err := load.Demo(world.Spec{Seed: 1, Messages: 200, End: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	all := w.Summaries()
	if len(all) != 10 {
		t.Fatalf("%d channels, want 10", len(all))
	}
	for _, c := range all {
		if c.Username == "" || c.Top != 200 || c.Posts < 150 {
			t.Errorf("channel %+v", c)
		}
	}
}

func TestNotAChannel(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{"empty": "", "not json": "hello", "another json": `{"a": 1}`, "a list of nothing": "[]"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "x.json")
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, _, err := load.File(file); err == nil {
				t.Error("want an error")
			}
		})
	}
}
