package main

import (
	"os"
	"os/exec"
	"path/filepath"
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

// TestEachKindOfEnvSaysWhetherThereAreLocks: the real one has them, and none of what it is made of opens a door unless it says so.
func TestEachKindOfEnvSaysWhetherThereAreLocks(t *testing.T) {
	t.Parallel()
	const locked, clear = "docker-compose.yml:deploy/compose/locked.yaml", "docker-compose.yml"
	for kind, want := range map[string][2]string{"real": {locked, "false"}, "demo-locked": {locked, "false"}, "demo": {clear, "true"}} {
		file := filepath.Join(t.TempDir(), "env")
		if out, err := exec.CommandContext(t.Context(), "../../scripts/env.sh", kind, file).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", kind, err, out)
		}
		text, err := os.ReadFile(file) //nolint:gosec // made above
		if err != nil {
			t.Fatal(err)
		}
		for i, name := range []string{"COMPOSE_FILE", "INSECURE_PLAINTEXT"} {
			if line := "\n" + name + "=" + want[i] + "\n"; !strings.Contains(string(text), line) {
				t.Errorf("%s: want %q in it", kind, strings.TrimSpace(line))
			}
		}
	}
	for service := range ports {
		name := strings.ToUpper(service) + "_INSECURE_PLAINTEXT: "
		if !strings.Contains(read(t, "docker-compose.yml"), name+"${INSECURE_PLAINTEXT:?") || !strings.Contains(read(t, "deploy/compose/locked.yaml"), name+`"false"`) {
			t.Errorf("%s speaks in the clear without being told to", service)
		}
	}
}
