package telemetry

import (
	"strings"
	"testing"
)

func TestLogger(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ format, level, want, problem string }{
		"text":          {"text", "info", "level=INFO msg=seen", ""},
		"json":          {"JSON", "INFO", `"msg":"seen"`, ""},
		"too quiet":     {"text", "warn", "", ""},
		"bad level":     {"text", "loud", "", `log level "loud": want debug, info, warn or error`},
		"bad formatter": {"xml", "info", "", `log format "xml": want text or json`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			log, err := Logger(&out, tc.format, tc.level)
			if tc.problem != "" {
				if err == nil || err.Error() != tc.problem {
					t.Errorf("got %v, want %q", err, tc.problem)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			log.Debug("hidden")
			log.Info("seen")
			if got := out.String(); !strings.Contains(got, tc.want) || (tc.want == "") != (got == "") || strings.Contains(got, "hidden") {
				t.Errorf("got %q, want %q in it and nothing of debug", got, tc.want)
			}
		})
	}
}

func TestRegistryKnowsTheBuild(t *testing.T) {
	t.Parallel()
	families, err := Registry("v9").Gather()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for _, f := range families {
		names[f.GetName()] = f.String()
	}
	if !strings.Contains(names["tidemark_build_info"], "v9") || names["go_goroutines"] == "" {
		t.Errorf("got %s, and Go's own: %t", names["tidemark_build_info"], names["go_goroutines"] != "")
	}
}
