// Package failures holds docs/failures.md to its word: every failure of the service that Tidemark replaces has a row, and the test that a row names exists.
package failures

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	_ "github.com/tidemark/tidemark/gen/tidemark/event/v1"
	_ "github.com/tidemark/tidemark/gen/tidemark/parser/v1"
	_ "github.com/tidemark/tidemark/gen/tidemark/scheduler/v1"
	_ "github.com/tidemark/tidemark/gen/tidemark/watermark/v1"
)

const (
	root = "../.."
	// failures is how many the old service is known for.
	failures = 99
)

var (
	row   = regexp.MustCompile(`(?m)^\| P([0-9]+) \|(.+)\|$`)
	named = regexp.MustCompile("`([a-z0-9/]+)\\.((?:Test|Fuzz)[A-Za-z0-9_]+)`")
)

func TestEveryFailureHasItsTest(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(root, "docs/failures.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems(string(page), exists) {
		t.Error(problem)
	}
}

func TestTheCheckSeesWhatIsMissing(t *testing.T) {
	t.Parallel()
	var whole strings.Builder
	for n := range failures {
		whole.WriteString("| P" + strconv.Itoa(n+1) + " | it failed | it cannot | `suite/failures.TestTheCheckSeesWhatIsMissing` |\n")
	}
	if got := problems(whole.String(), exists); len(got) != 0 {
		t.Fatalf("a whole page has problems: %q", got)
	}
	for name, change := range map[string]func(string) string{
		"a row is gone":           func(s string) string { return strings.Replace(s, "| P7 |", "| Q7 |", 1) },
		"a row is there twice":    func(s string) string { return strings.Replace(s, "| P7 |", "| P8 |", 1) },
		"a row names no test":     func(s string) string { return strings.Replace(s, "`suite/failures.Test", "`suite/failures.test", 1) },
		"the test does not exist": func(s string) string { return strings.Replace(s, "IsMissing`", "IsThere`", 1) },
		"the room does not exist": func(s string) string { return strings.Replace(s, "`suite/failures.", "`suite/nowhere.", 1) },
	} {
		if got := problems(change(whole.String()), exists); len(got) == 0 {
			t.Errorf("%s, and nobody noticed", name)
		}
	}
}

func problems(page string, exists func(dir, test string) bool) (found []string) {
	seen := map[int]int{}
	for _, m := range row.FindAllStringSubmatch(page, -1) {
		n, _ := strconv.Atoi(m[1])
		seen[n]++
		tests := named.FindAllStringSubmatch(m[2], -1)
		if len(tests) == 0 {
			found = append(found, "P"+m[1]+" names no test")
		}
		for _, test := range tests {
			if !exists(test[1], test[2]) {
				found = append(found, "P"+m[1]+" names "+test[1]+"."+test[2]+", which does not exist")
			}
		}
	}
	for n := 1; n <= failures; n++ {
		if seen[n] != 1 {
			found = append(found, "P"+strconv.Itoa(n)+" has "+strconv.Itoa(seen[n])+" rows")
		}
	}
	return found
}

func exists(dir, test string) bool {
	files, err := filepath.Glob(filepath.Join(root, dir, "*_test.go"))
	if err != nil {
		return false
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			continue
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == test {
				return true
			}
		}
	}
	return false
}

// P77: what does not know tenants cannot stamp a wrong one.
func TestNothingKnowsTenants(t *testing.T) {
	t.Parallel()
	names := 0
	protoregistry.GlobalFiles.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		for i := range f.Messages().Len() {
			fields := f.Messages().Get(i).Fields()
			for j := range fields.Len() {
				if names++; strings.Contains(string(fields.Get(j).FullName()), "tenant") {
					t.Errorf("%s speaks of tenants", fields.Get(j).FullName())
				}
			}
		}
		return true
	})
	each(t, ".sql", func(name, text string) {
		if names++; strings.Contains(strings.ToLower(text), "tenant") {
			t.Errorf("%s speaks of tenants", name)
		}
	})
	if names < 200 {
		t.Errorf("looked at %d names only", names)
	}
}

// P87: a series per channel would grow with the channels, and stay when they are gone.
func TestNoSeriesIsAChannels(t *testing.T) {
	t.Parallel()
	labels, looked := regexp.MustCompile(`(?:NewCounterVec|NewGaugeVec|NewHistogramVec|Labels:).*`), 0
	each(t, ".go", func(name, text string) {
		for _, line := range labels.FindAllString(text, -1) {
			if looked++; strings.Contains(line, `"channel`) || strings.Contains(line, `"message`) {
				t.Errorf("%s: a label for each channel or message: %s", name, line)
			}
		}
	})
	if looked < 10 {
		t.Errorf("looked at %d series only", looked)
	}
}

func each(t *testing.T, ext string, fn func(name, text string)) {
	t.Helper()
	for _, dir := range []string{"kit", "services"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(name) != ext || strings.HasSuffix(name, "_test.go") {
				return err
			}
			text, err := os.ReadFile(name)
			fn(name, string(text))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
