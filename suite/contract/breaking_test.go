package contract

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

// A check that cannot go red is none: each deliberate break of the contract must be noticed, and an addition must not.
func TestABreakOfTheContractIsNoticed(t *testing.T) {
	t.Parallel()
	buf, err := filepath.Abs(filepath.Join(root, "bin/buf"))
	if err == nil {
		_, err = os.Stat(buf)
	}
	if err != nil {
		t.Fatal("bin/buf is not there: run `make bin/buf`, or the tests by `make test`")
	}
	for name, tc := range map[string]struct {
		file, was, is string
		says          string // empty: all is well
	}{
		"nothing":                 {},
		"a field is added":        {"parser/v1/post.proto", "bool with_raw = 3;", "bool with_raw = 3;\n  bool with_more = 4;", ""},
		"an RPC is added":         {"scheduler/v1/run.proto", "  rpc GetRun(", "  rpc Another(GetRunRequest) returns (GetRunResponse);\n  rpc GetRun(", ""},
		"a field's number":        {"parser/v1/post.proto", "bool with_raw = 3;", "bool with_raw = 4;", "with_raw"},
		"a field's type":          {"type/v1/range.proto", "int64 last = 2;", "int32 last = 2;", "last"},
		"a field's name":          {"type/v1/range.proto", "int64 last = 2;", "int64 end = 2;", "end"},
		"a field is gone":         {"type/v1/range.proto", "int64 last = 2;", "", "last"},
		"an RPC is gone":          {"scheduler/v1/run.proto", "rpc WatchRuns(", "rpc WatchThem(", "WatchRuns"},
		"an RPC's answer":         {"scheduler/v1/run.proto", "returns (stream WatchRunsResponse)", "returns (WatchRunsResponse)", "WatchRuns"},
		"an enum's value is gone": {"parser/v1/parser.proto", "  PARSE_NEXT_WAIT = 3;", "", "ParseNext"},
		"an enum's number":        {"parser/v1/parser.proto", "PARSE_NEXT_WAIT = 3;", "PARSE_NEXT_WAIT = 4;", "ParseNext"},
		"a message is gone":       {"event/v1/event.proto", "message PostDeleted {", "message PostGone {", "PostDeleted"},
		"a package's name":        {"event/v1/event.proto", "package tidemark.event.v1;", "package tidemark.event.v2;", "tidemark.event"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := copyContract(t)
			if tc.file != "" {
				change(t, filepath.Join(dir, "proto/tidemark", tc.file), tc.was, tc.is)
			}
			check := exec.CommandContext(t.Context(), buf, "breaking", "--against", "proto/released.binpb")
			check.Dir = dir
			out, err := check.CombinedOutput()
			switch {
			case tc.says == "" && err != nil:
				t.Errorf("an addition is called a break: %s", out)
			case tc.says != "" && err == nil:
				t.Error("the break was not noticed")
			case !strings.Contains(string(out), tc.says):
				t.Errorf("got %q, want it to name %s", out, tc.says)
			}
		})
	}
}

func copyContract(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "proto"), os.DirFS(filepath.Join(root, "proto"))); err != nil {
		t.Fatal(err)
	}
	config, err := fs.ReadFile(os.DirFS(root), "buf.yaml")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "buf.yaml"), config, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func change(t *testing.T, file, was, is string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(regexp.MustCompile(regexp.QuoteMeta(was)).FindAllIndex(text, -1)); n != 1 {
		t.Fatalf("%q stands %d times in %s: choose another place to break", was, n, file)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), was, is, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}
