package suite

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

const house = "github.com/tidemark/tidemark/"

// rooms says which imports a room must not have, and why. The compiler's internal/ rule comes first; this is for what it cannot say.
var rooms = []struct{ room, forbidden, why string }{
	{`gen/.*`, ours(`(kit|services|suite)/`), "the contract depends on nothing of ours, so that a foreign stage can depend on it alone"},
	{`kit/.*`, ours(`(gen|services|suite)/`), "kit is mechanism without domain"},
	{`kit/.*`, `github\.com/gotd/.*`, "kit knows nothing of Telegram"},
	{`services/[a-z]+/internal/(plan|ingest|mark|account)`, `[a-z]+\.[a-z]+/.*|net/http|database/sql`,
		"a core is pure: the standard library, errgroup and x/crypto, and no other room"},
	{`services/[a-z]+/internal/(rpc|peers)`, `github\.com/(jackc|gotd|riverqueue|redis)/.*`, "the wire knows neither tables nor Telegram"},
	{`services/[a-z]+/internal/postgres(/db)?`, ours(`gen/`) + `|google\.golang\.org/grpc.*|github\.com/(gotd|redis)/.*`, "data changes its type at the table once, not to the wire's"},
	{`services/parser/internal/telegram`, ours(`gen/`) + `|google\.golang\.org/.*|github\.com/(jackc|redis)/.*`, "reading Telegram knows neither wire nor table"},
	{`services/parser/internal/outbox`, `github\.com/gotd/.*`, "events are made from posts, not from TL"},
	{`services/scheduler/internal/jobs`, ours(`gen/`) + `|github\.com/(gotd|redis)/.*`, "jobs call the core, the core's peers speak gRPC"},
	{`services/(watermark|scheduler)(/.*)?`, `github\.com/gotd/.*`, "only the parser pays for compiling and knowing Telegram"},
	{`services/watermark(/.*)?`, ours(`services/(scheduler|parser)`), "services meet over gRPC only"},
	{`services/scheduler(/.*)?`, ours(`services/(watermark|parser)`), "services meet over gRPC only"},
	{`services/parser(/.*)?`, ours(`services/(watermark|scheduler)`), "services meet over gRPC only"},
	{`services/parser/(internal/(ingest|rpc|postgres|outbox|account)|cmd/parser)`, `github\.com/gotd/.*`, "one room knows Telegram's types"},
	{`services/[a-z]+(/internal/.*)?`, ours(`services/parser/tgsim`), "the product never imports the simulator"},
}

// allowed are imports that a rule's pattern catches and its reason does not.
var allowed = regexp.MustCompile(`^golang\.org/x/(sync/errgroup|crypto/.*)$`)

func TestRooms(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, house)
		for _, rule := range rooms {
			if !matches(rule.room, name) {
				continue
			}
			seen[rule.room] = true
			for _, imported := range p.Imports {
				if matches(rule.forbidden, imported) && !allowed.MatchString(imported) && !inside(p.ImportPath, imported) {
					t.Errorf("%s imports %s: %s", name, imported, rule.why)
				}
			}
		}
	}
	for _, rule := range rooms {
		if !seen[rule.room] {
			t.Errorf("no package matches the room %q: the rule guards nothing", rule.room)
		}
	}
}

type listed struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "work")
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list work: %s", exit.Stderr)
		}
		t.Fatalf("go list work: %v", err)
	}
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("read go list: %v", err)
		}
		all = append(all, p)
	}
}

func ours(pattern string) string { return regexp.QuoteMeta(house) + pattern + `.*` }

func matches(pattern, name string) bool {
	return regexp.MustCompile(`^(` + pattern + `)$`).MatchString(name)
}

// inside is true for a room's own sub-packages: a core may have parts.
func inside(room, imported string) bool { return strings.HasPrefix(imported, room+"/") }
