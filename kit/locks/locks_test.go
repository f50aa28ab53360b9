package locks

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark/tidemark/kit/auth"
	"github.com/tidemark/tidemark/kit/auth/ca"
)

// files are all below a folder, with what is in them.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, pattern := range []string{"*/*", "*/.*"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range found {
			content, err := os.ReadFile(path) //nolint:gosec // ours
			if err != nil {
				t.Fatal(err)
			}
			name, _ := filepath.Rel(dir, path)
			all[name] = string(content)
		}
	}
	return all
}

func keep(t *testing.T, dir string, now time.Time) (said string) {
	t.Helper()
	var out bytes.Buffer
	c := Keep{root: root{dir}, Service: []string{"parser", "scheduler"}, Host: []string{"localhost"}}
	if err := c.once(&out, now); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestEachSeesItsOwnAndNobodyTheAuthoritysKey(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), time.Now()
	keep(t, dir, now)
	all := files(t, dir)
	for _, name := range []string{"ca/ca.key", "shared/ca.crt", "shared/tokens.json", "parser/parser.crt", "parser/parser.key", "scheduler/scheduler.crt", "scheduler/scheduler.key"} {
		if all[name] == "" {
			t.Errorf("%s is missing", name)
		}
	}
	for name, content := range all {
		room := filepath.Dir(name)
		if room != "ca" && content == all["ca/ca.key"] || room != "ca" && room != "parser" && content == all["parser/parser.key"] {
			t.Errorf("%s holds another's key", name)
		}
	}
	for _, name := range []string{"ca/ca.key", "parser/parser.key"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: got mode %v, %v, want 0600", name, info.Mode(), err)
		}
	}
	if _, err := auth.OpenTLS(auth.Files{Cert: dir + "/parser/parser.crt", Key: dir + "/parser/parser.key", CA: dir + "/shared/ca.crt"}, nil, time.Now); err != nil {
		t.Errorf("a service cannot begin with it: %v", err)
	}
	if tokens, err := auth.ReadTokens(dir + "/shared/tokens.json"); err != nil || len(tokens) != 0 {
		t.Errorf("got tokens %v, %v, want none", tokens, err)
	}
}

func TestWhatIsGoodStaysAndWhatNearsItsEndIsRenewed(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), time.Now()
	keep(t, dir, now)
	first, before := files(t, dir), stat(t, dir+"/parser/parser.key")
	if said := keep(t, dir, now.Add(ca.Life-ca.RenewBefore-time.Hour)); strings.Count(said, "kept: ") != 3 {
		t.Errorf("while all is good it says %q", said)
	}
	if diff := cmp.Diff(first, files(t, dir)); diff != "" || !stat(t, dir+"/parser/parser.key").Equal(before) {
		t.Errorf("while all is good, files change: %s", diff)
	}
	if said := keep(t, dir, now.Add(ca.Life-ca.RenewBefore+time.Hour)); strings.Count(said, "renewed: ") != 2 {
		t.Errorf("near the end it says %q", said)
	}
	last := files(t, dir)
	for _, name := range []string{"parser/parser.crt", "scheduler/scheduler.crt"} {
		if last[name] == first[name] || last[name] != last["ca/"+filepath.Base(name)] {
			t.Errorf("%s is not the renewed one", name)
		}
	}
	if last["shared/ca.crt"] != first["shared/ca.crt"] || last["parser/parser.key"] != first["parser/parser.key"] {
		t.Error("the authority changed, or a key, which could come without its certificate")
	}
}

func TestAnAuthorityThatIsGoneIsMadeAnewWithAllCertificates(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), time.Now()
	keep(t, dir, now)
	first := files(t, dir)
	if err := os.RemoveAll(dir + "/ca"); err != nil {
		t.Fatal(err)
	}
	keep(t, dir, now)
	last := files(t, dir)
	for _, name := range []string{"shared/ca.crt", "parser/parser.crt", "parser/parser.key"} {
		if last[name] == first[name] {
			t.Errorf("%s is of the authority that is gone", name)
		}
	}
}

func stat(t *testing.T, path string) time.Time {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.ModTime()
}

func TestAProgramIsGivenAToken(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), time.Now()
	c := Give{root: root{dir}, Name: "demo", Scope: auth.Admin}
	var said bytes.Buffer
	give := func(now time.Time) (text string, known auth.Token) {
		t.Helper()
		if err := c.give(&said, now); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(dir + "/demo/token")
		if err != nil {
			t.Fatal(err)
		}
		text = strings.TrimSpace(string(content))
		all, err := auth.ReadTokens(dir + "/shared/tokens.json")
		if err != nil || len(all) != 1 || !all[0].Is(text) || all[0].Expired(now.Add(giveAnew)) {
			t.Fatalf("got tokens %v, %v, want the one in the file, with some life left", all, err)
		}
		return text, all[0]
	}
	first, known := give(now)
	if known.Scope != auth.Admin || known.Name != "demo" {
		t.Errorf("got %v", known)
	}
	if again, _ := give(now.Add(giveFor - giveAnew - time.Hour)); again != first {
		t.Error("a good token was replaced")
	}
	second, _ := give(now.Add(giveFor - giveAnew + time.Hour))
	if second == first {
		t.Error("a token that nears its end was kept")
	}
	if err := (&tokensRevoke{tokens: tokens{dir + "/shared/tokens.json"}, Name: "demo"}).Run(io.Discard); err != nil {
		t.Fatal(err)
	}
	third, _ := give(now)
	c.Scope = auth.Read
	if fourth, _ := give(now); third == second || fourth == third {
		t.Error("a token that was revoked, or has another scope, was kept")
	}
	if got := said.String(); strings.Contains(got, "tm_") || strings.Count(got, "made: ") != 4 {
		t.Errorf("it says %q", got)
	}
}
