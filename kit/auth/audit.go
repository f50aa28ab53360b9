package auth

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/tidemark/tidemark/kit/rpc"
)

// record is one call that changes something, or tried to.
type record struct {
	method            string
	caller            Caller
	request, response any
	code              codes.Code
}

// audit writes down who did what to which, and how it ended: numbers that name things, and nothing else of what was sent. What the process
// does with itself is no news.
func (g *Guard) audit(ctx context.Context, r record) {
	if r.caller.Kind == "process" {
		return
	}
	attrs := []slog.Attr{
		slog.String("event", "audit"), slog.String("who", r.caller.String()), slog.String("method", r.method),
		slog.String("request", rpc.RequestID(ctx)), slog.String("code", r.code.String()),
	}
	found := targets(r.request)
	if len(found) == 0 {
		found = targets(r.response) // what was made
	}
	g.o.Audit.LogAttrs(ctx, slog.LevelInfo, "audit", append(attrs, found...)...)
}

const (
	// mostTargets bounds how many ids of one kind a line names.
	mostTargets = 20
	// depths bounds how far inside a message ids are looked for.
	depths = 3
)

// targets are the ids in a message, by the names of their fields, also those inside its parts.
func targets(message any) []slog.Attr {
	m, ok := message.(proto.Message)
	if !ok || !m.ProtoReflect().IsValid() {
		return nil
	}
	found := map[string][]int64{}
	collect(m.ProtoReflect(), found, depths)
	var attrs []slog.Attr
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if ids := found[name]; len(ids) == 1 {
			attrs = append(attrs, slog.Int64(name, ids[0]))
		} else {
			attrs = append(attrs, slog.Any(name, ids))
		}
	}
	return attrs
}

func collect(m protoreflect.Message, found map[string][]int64, depth int) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		name := string(f.Name())
		switch {
		case f.IsMap():
		case f.Kind() == protoreflect.MessageKind && depth > 0:
			each(f, v, func(v protoreflect.Value) { collect(v.Message(), found, depth-1) })
		case f.Kind() == protoreflect.Int64Kind && isID(name):
			if name == "id" && depth < depths {
				name = strings.ToLower(string(f.Parent().Name())) + "_id" // of a part: say of which
			}
			each(f, v, func(v protoreflect.Value) {
				if len(found[name]) < mostTargets && !slices.Contains(found[name], v.Int()) {
					found[name] = append(found[name], v.Int())
				}
			})
		}
		return true
	})
}

func isID(name string) bool {
	return name == "id" || strings.HasSuffix(name, "_id") || strings.HasSuffix(name, "_ids")
}

func each(f protoreflect.FieldDescriptor, v protoreflect.Value, do func(protoreflect.Value)) {
	if !f.IsList() {
		do(v)
		return
	}
	for i := range v.List().Len() {
		do(v.List().Get(i))
	}
}

// AuditFile is where audit lines are kept, as JSON, for the owner's eyes only. The file is opened for each line, so that whoever rotates it may
// just move it away.
func AuditFile(path string, log *slog.Logger) (*slog.Logger, error) {
	file := appended{path, log}
	if _, err := file.Write(nil); err != nil {
		return nil, fmt.Errorf("--audit-log-file: %w", err)
	}
	return slog.New(slog.NewJSONHandler(file, nil)), nil
}

type appended struct {
	path string
	log  *slog.Logger
}

var _ io.Writer = appended{}

// Write appends a line. That the audit log cannot be written is said in the other log; calls go on.
func (a appended) Write(line []byte) (int, error) {
	f, err := os.OpenFile(a.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.Write(line)
		if closed := f.Close(); err == nil {
			err = closed
		}
	}
	if err != nil {
		a.log.Error("the audit log cannot be written", "err", err)
		return 0, err
	}
	return len(line), nil
}
