package telemetry

import (
	"context"
	"log/slog"
	"reflect"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/trace"
)

// lines adds to a log line what can be known without its writer: the trace that it belongs to, and of an error ("err") at WARN or above at
// which stage it happened and what wraps what. Only ids of traces that are sent somewhere are added: one that stands in a log can be looked up.
type lines struct {
	slog.Handler
	chains bool
}

// Handle is slog.Handler's.
func (h lines) Handle(ctx context.Context, r slog.Record) error {
	if s := trace.SpanContextFromContext(ctx); s.IsSampled() && s.IsValid() {
		r.AddAttrs(slog.String("trace_id", s.TraceID().String()), slog.String("span_id", s.SpanID().String()))
	}
	if r.Level >= slog.LevelWarn {
		r.AddAttrs(h.failure(r)...)
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs is slog.Handler's.
func (h lines) WithAttrs(attrs []slog.Attr) slog.Handler {
	return lines{h.Handler.WithAttrs(attrs), h.chains}
}

// WithGroup is slog.Handler's.
func (h lines) WithGroup(name string) slog.Handler {
	return lines{h.Handler.WithGroup(name), h.chains}
}

// failure tells of the error of a line what its text does not.
func (h lines) failure(r slog.Record) (more []slog.Attr) {
	var err error
	staged := false
	r.Attrs(func(a slog.Attr) bool {
		if e, ok := a.Value.Any().(error); ok && a.Key == "err" {
			err = e
		}
		staged = staged || a.Key == "stage"
		return true
	})
	if err == nil {
		return nil
	}
	if stage := Stage(err); stage != "" && !staged {
		more = append(more, slog.String("stage", stage))
	}
	if chain := Chain(err); h.chains && len(chain) > 1 {
		more = append(more, slog.Any("chain", chain))
	}
	return more
}

// Stage is at which stage of a longer work an error happened, as the first in its chain says that has a Stage() string; else "".
func Stage(err error) string {
	if s, ok := err.(interface{ Stage() string }); ok {
		return s.Stage()
	}
	for _, inner := range unwrap(err) {
		if stage := Stage(inner); stage != "" {
			return stage
		}
	}
	return ""
}

// longest is how many links of a chain are told.
const longest = 20

// Chain is an error and all that it wraps, outermost first: each link is what it says itself, without what it repeats of the wrapped, and its type if
// that says more than "an error".
func Chain(err error) []string {
	var links []string
	var follow func(error)
	follow = func(err error) {
		if err == nil || len(links) == longest {
			return
		}
		inner := unwrap(err)
		if link := link(err, inner); link != "" {
			links = append(links, link)
		}
		for _, e := range inner {
			follow(e)
		}
	}
	follow(err)
	return links
}

func unwrap(err error) []error {
	switch e := err.(type) { //nolint:errorlint // one link at a time is what is wanted
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			return []error{inner}
		}
	case interface{ Unwrap() []error }:
		return e.Unwrap()
	}
	return nil
}

// link is an error's own part of a chain.
func link(err error, inner []error) string {
	own := err.Error()
	for _, e := range slices.Backward(inner) { // what is wrapped stands last, and of several the last
		own = strings.TrimRight(strings.TrimSuffix(own, e.Error()), ": \n")
	}
	kind := reflect.TypeOf(err)
	if kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	switch {
	case kind.PkgPath() == "errors", kind.PkgPath() == "fmt":
		return own
	case own == "":
		return kind.String()
	}
	return kind.String() + ": " + own
}
