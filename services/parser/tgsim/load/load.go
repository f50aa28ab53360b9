// Package load makes worlds of files: descriptions of our own (as the demo's), and real channels that others published: Telegram Desktop
// exports, Telethon dumps of old and new layers, raw TL objects as JSON lines, and simplified JSON. Ids and dates stay as they are; ids
// that a file lacks are deleted posts.
package load

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/gotd/td/tg"

	"github.com/tidemark/tidemark/services/parser/tgsim/world"
)

//go:embed demo.json
var demo []byte

// Demo is the demo's world: ten channels in several languages. Spec's Channels and Names are the demo's own.
func Demo(s world.Spec) (*world.World, error) { return Described(demo, s) }

// Described makes up a world by a description: {"channels": [{"id", "title", "username", "about", "texts": [...]}, ...]}.
func Described(file []byte, s world.Spec) (*world.World, error) {
	var d struct {
		Channels []world.Channel `json:"channels"`
	}
	in := json.NewDecoder(bytes.NewReader(file))
	in.DisallowUnknownFields()
	if err := in.Decode(&d); err != nil {
		return nil, fmt.Errorf("read world: %w", err)
	}
	s.Names, s.Channels = d.Channels, len(d.Channels)
	return world.New(s)
}

// Named is the world that a person names: "demo", "seed" for a made-up one, or a file: a description, or a channel's data.
func Named(name string, s world.Spec) (*world.World, error) {
	switch name {
	case "demo":
		return Demo(s)
	case "seed":
		return world.New(s)
	}
	raw, err := read(name)
	if err != nil {
		return nil, err
	}
	if all, err := objects(raw); err == nil && len(all) == 1 && all[0]["channels"] != nil {
		return Described(raw, s)
	}
	w := world.Empty(s.Seed, s.Now, s.Accounts...)
	return w, Into(w, name)
}

// errFormat is the answer to a file that is none of the formats.
var errFormat = errors.New("not a Desktop export, Telethon dump, raw TL lines or simplified JSON")

// Into adds the channel of each file to the world.
func Into(w *world.World, files ...string) error {
	for _, file := range files {
		c, history, err := File(file)
		if err != nil {
			return err
		}
		if err := w.Add(c, history); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

// File reads one channel, gzipped or not. A channel whose username the file does not tell is called after the file.
func File(path string) (world.Channel, []tg.MessageClass, error) {
	raw, err := read(path)
	if err != nil {
		return world.Channel{}, nil, err
	}
	c, history, err := parse(raw)
	if err != nil {
		return c, nil, fmt.Errorf("%s: %w", path, err)
	}
	name := nameOf(path)
	if c.Username == "" {
		c.Username = name
	}
	if c.Title == "" {
		c.Title = name
	}
	return c, history, nil
}

func read(path string) ([]byte, error) {
	raw, err := os.ReadFile(path)
	if err != nil || !bytes.HasPrefix(raw, []byte{0x1f, 0x8b}) {
		return raw, err
	}
	unzip, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(unzip)
}

var unfit = regexp.MustCompile(`[^A-Za-z0-9]+`)

// nameOf makes a username of a file's name, kinds left off.
func nameOf(path string) string {
	base := strings.TrimSuffix(filepath.Base(path), ".gz")
	for _, kind := range []string{".json", ".jsonl", ".desktop", ".telethon", ".simple", ".rawtl"} {
		base = strings.TrimSuffix(base, kind)
	}
	name := strings.Trim(unfit.ReplaceAllString(base, "_"), "_")
	return name[:min(len(name), 32)]
}

// parse tells the formats apart by their first objects.
func parse(raw []byte) (world.Channel, []tg.MessageClass, error) {
	all, err := objects(raw)
	if err != nil || len(all) == 0 {
		return world.Channel{}, nil, errors.Join(errFormat, err)
	}
	first := all[0]
	switch {
	case first["messages"] != nil && first["id"] != nil:
		return desktop(first)
	case first["_"] != nil:
		return dump(all)
	case first["message_id"] != nil:
		return simple(all)
	}
	return world.Channel{}, nil, errFormat
}

// objects are the elements of a JSON array, or the lines of JSON lines, or one object.
func objects(raw []byte) (all []object, err error) {
	in := json.NewDecoder(bytes.NewReader(raw))
	in.UseNumber()
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("[")) {
		err = in.Decode(&all)
		return all, err
	}
	for {
		var one object
		if err := in.Decode(&one); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
}
