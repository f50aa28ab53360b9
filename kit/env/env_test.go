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
		fmt.Sprint(cfg), fmt.Sprintf("%v %+v %#v %s %q", cfg, cfg, cfg, cfg.Password, cfg.Password),
		fmt.Sprintf("%d %x %t", cfg.Password, cfg.Password, cfg.Password), fmt.Sprint(&cfg, []Secret{value}, map[string]Secret{"a": value}), log.String(), string(asJSON),
	} {
		if strings.Contains(printed, value) || !strings.Contains(printed, hidden) {
			t.Errorf("got %s, want the value hidden", printed)
		}
	}
	if got := fmt.Sprint(Secret("")); got != "" {
		t.Errorf("got %q for a secret that is not set, want to see that", got)
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
		"two at once":    {"TIDEMARK_A=1 TIDEMARK_B=2", "unknown environment variable TIDEMARK_A\nunknown environment variable TIDEMARK_B"},
		"Kubernetes's":   {"TIDEMARK_SERVICE_HOST=10.0.0.1 TIDEMARK_SERVICE_PORT_GRPC=1 TIDEMARK_PORT=tcp://10.0.0.1:1 TIDEMARK_PORT_8030_TCP_ADDR=10.0.0.1", ""},
		"another's name": {"PATH=/bin", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ""
			if err := Unknown("TIDEMARK", known, strings.Fields(tc.environ)); err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
