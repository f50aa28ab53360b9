// Package env is what configuration from flags and environment needs beyond a parser: values that cannot be printed by
// accident, and strictness about names, so that a typo stops the start and not the month.
package env

import (
	"fmt"
	"io"
	"log/slog"
)

const hidden = "***"

// Secret is a string that no formatter, logger or encoder prints.
type Secret string

// Reveal gives the value, to whoever must use it.
func (s Secret) Reveal() string { return string(s) }

// String hides the value; empty stays empty, so that "not set" can be seen.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// Format hides the value from every verb of fmt, also from one that does not suit a string: fmt prints the operand then.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue hides the value from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides the value from JSON, YAML and the like.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the value, for flag and environment parsers.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = Secret(text)
	return nil
}
