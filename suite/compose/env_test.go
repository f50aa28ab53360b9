package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile("../../" + path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestEveryVariableIsExplained compares what docker-compose.yml asks for with what .env.example knows, both ways.
func TestEveryVariableIsExplained(t *testing.T) {
	t.Parallel()
	names := func(pattern, text string) map[string]bool {
		found := map[string]bool{}
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			found[m[1]] = true
		}
		return found
	}
	example := read(t, ".env.example")
	asked, known := names(`\$\{([A-Z_]+)`, read(t, "docker-compose.yml")+read(t, "deploy/compose/locked.yaml")), names(`(?m)^#? ?([A-Z_]+)=`, example)
	for name := range asked {
		if !known[name] {
			t.Errorf(".env.example does not explain %s", name)
		}
	}
	for name := range known {
		if !asked[name] && name != "COMPOSE_FILE" { // which compose itself asks for
			t.Errorf(".env.example explains %s, which docker-compose.yml does not ask for", name)
		}
	}
	for line := range strings.Lines(example) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if value != "" && regexp.MustCompile(`PASSWORD|SECRET|_HASH|SESSION_KEY`).MatchString(name) && !strings.HasPrefix(name, "#") {
			t.Errorf(".env.example gives %s a value: a secret that all know is none", name)
		}
	}
	if len(asked) < 20 {
		t.Errorf("%d variables are asked for: the test sees nothing", len(asked))
	}
}

// TestPortsAreOnTheLoopback holds for each port, whatever profile it is in: Docker opens a port without an address to the world, past the firewall.
func TestPortsAreOnTheLoopback(t *testing.T) {
	t.Parallel()
	ports := regexp.MustCompile(`"[^"]*:\d+"\]?( #.*)?\n`).FindAllString(read(t, "docker-compose.yml")+read(t, "deploy/compose/locked.yaml"), -1)
	if len(ports) < 11 {
		t.Errorf("%d ports are published: the test sees nothing", len(ports))
	}
	for _, p := range ports {
		if !strings.HasPrefix(p, `"127.0.0.1:`) {
			t.Errorf("%s is open to the world", strings.TrimSpace(p))
		}
	}
}
