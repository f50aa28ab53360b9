package env

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestASecretIsNeverPrinted(t *testing.T) {
	t.Parallel()
	const value = "hunter2"
	cfg := struct{ Password Secret }{value}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("config", "password", cfg.Password, "all", cfg)
	asJSON, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, printed := range []string{
		fmt.Sprint(cfg), fmt.Sprintf("%v %+v %#v %s %q", cfg, cfg, cfg, cfg.Password, cfg.Password), log.String(), string(asJSON),
	} {
		if strings.Contains(printed, value) || !strings.Contains(printed, hidden) {
			t.Errorf("got %s, want the value hidden", printed)
		}
	}
	if got := cfg.Password.Reveal(); got != value {
		t.Errorf("got %q from Reveal, want the value", got)
	}
}

func TestUnknown(t *testing.T) {
	t.Parallel()
	known := []string{"TIDEMARK_API_ID", "TIDEMARK_DATABASE_URL"}
	for name, tc := range map[string]struct {
		environ string
		want    string
	}{
		"known":          {"TIDEMARK_API_ID=1", ""},
		"other prefix":   {"TIDEMARKET=1", ""},
		"typo":           {"TIDEMARK_API_IDD=secret", "unknown environment variable TIDEMARK_API_IDD, did you mean TIDEMARK_API_ID?"},
		"nothing near":   {"TIDEMARK_COLOUR_OF_THE_SEA=1", "unknown environment variable TIDEMARK_COLOUR_OF_THE_SEA"},
		"another's name": {"PATH=/bin", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ""
			if err := Unknown("TIDEMARK", known, []string{tc.environ}); err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
