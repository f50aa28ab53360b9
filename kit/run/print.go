package run

import (
	"fmt"
	"io"
	"reflect"
	"time"
)

// About is what a process can say of itself.
type About struct {
	Version  string    // of the build
	Started  time.Time // in UTC
	Settings []Setting // what it was told, and the defaults of the rest
}

// Setting is one setting as it is in effect.
type Setting struct {
	Name   string // of its flag, without the dashes: "tick"
	Value  string // for people; of a secret "***" when it is set
	Secret bool
}

// Describe says what a process with this configuration is. started is now.
func Describe(config any, started time.Time) About {
	return About{Version: Version(), Started: started, Settings: Settings(config)}
}

// Settings are all that a configuration, a pointer to a struct of flags, has in effect. Secrets are hidden.
func Settings(config any) (all []Setting) {
	for _, k := range tree("", "", reflect.ValueOf(config).Elem()).flags {
		all = append(all, Setting{k.name, fmt.Sprint(k.target.Interface()), k.secret()})
	}
	return all
}

// PrintConfig writes the effective configuration, a line per setting, secrets hidden.
func PrintConfig(w io.Writer, config any) {
	for _, s := range Settings(config) {
		_, _ = fmt.Fprintf(w, "%-24s %s\n", s.Name, s.Value)
	}
}
