package auth

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
)

// followed is what some files say, now: they are looked at whenever somebody asks, and read again when they changed. While they cannot be read
// or understood the last good content stays in force, and the log says why.
type followed[T any] struct {
	paths []string
	load  func() (T, error)
	log   *slog.Logger

	mu    sync.Mutex
	seen  []os.FileInfo // nil where there is none
	value T
}

func follow[T any](load func() (T, error), log *slog.Logger, paths ...string) (*followed[T], error) {
	f := &followed[T]{paths: paths, load: load, log: log}
	f.seen = f.look()
	value, err := load()
	f.value = value
	return f, err
}

func (f *followed[T]) now() T {
	f.mu.Lock()
	defer f.mu.Unlock()
	looked := f.look() // before reading: a change while we read is seen next time
	if same(looked, f.seen) {
		return f.value
	}
	f.seen = looked
	value, err := f.load()
	if err != nil {
		f.log.Error("a changed file is not taken: what it said before stays in force", "files", strings.Join(f.paths, " "), "err", err)
		return f.value
	}
	f.log.Info("a changed file was taken", "files", strings.Join(f.paths, " "))
	f.value = value
	return value
}

func (f *followed[T]) look() []os.FileInfo {
	infos := make([]os.FileInfo, len(f.paths))
	for i, path := range f.paths {
		infos[i], _ = os.Stat(path)
	}
	return infos
}

func same(a, b []os.FileInfo) bool {
	for i := range a {
		if a[i] == nil || b[i] == nil {
			if a[i] != b[i] {
				return false
			}
			continue
		}
		if !a[i].ModTime().Equal(b[i].ModTime()) || a[i].Size() != b[i].Size() || !os.SameFile(a[i], b[i]) {
			return false
		}
	}
	return true
}

// read is a file's content, with one clear line when there is none.
func read(path, flag string) ([]byte, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return content, nil
}
