package contract

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

const timestamp protoreflect.FullName = "google.protobuf.Timestamp"

var (
	// saysInstant are the names that promise an instant.
	saysInstant = regexp.MustCompile(`(^|_)(at|time|date|datetime|timestamp|since|until|before|after|when|deadline|expiry|expires)$`)
	// saysSpan are the names above that promise a length of time: a Duration, and an instant neither.
	saysSpan = regexp.MustCompile(`(^|_)(retry_after|run_time|wait_time)$`)
	// commentSaysInstant catches an instant that hides behind an innocent name.
	commentSaysInstant = regexp.MustCompile(`(?i)\b(rfc ?3339|iso ?8601|unix (time|seconds|milli|epoch)|epoch (seconds|milli)|since the epoch)\b`)
)

func TestEveryInstantOnTheWireIsATimestamp(t *testing.T) {
	t.Parallel()
	seen := 0
	eachField(t, func(f protoreflect.FieldDescriptor) {
		seen++
		if why := instantProblem(f); why != "" {
			t.Errorf("%s: %s", f.FullName(), why)
		}
	})
	if seen < 200 {
		t.Fatalf("walked %d fields: the walk itself is broken", seen)
	}
}

func TestTheInstantRuleSeesWhatItMustSee(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		field string
		kind  descriptorpb.FieldDescriptorProto_Type
		typ   string
		bad   bool
	}{
		"string named at":       {"posted_at", descriptorpb.FieldDescriptorProto_TYPE_STRING, "", true},
		"integer named date":    {"date", descriptorpb.FieldDescriptorProto_TYPE_INT64, "", true},
		"string named since":    {"horizon_since", descriptorpb.FieldDescriptorProto_TYPE_STRING, "", true},
		"integer in seconds":    {"posted_unix", descriptorpb.FieldDescriptorProto_TYPE_INT64, "", true},
		"timestamp named badly": {"posted", descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, ".google.protobuf.Timestamp", true},
		"duration named time":   {"run_at", descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, ".google.protobuf.Duration", true},
		"timestamp":             {"posted_at", descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, ".google.protobuf.Timestamp", false},
		"span":                  {"retry_after", descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, ".google.protobuf.Duration", false},
		"counter":               {"failures", descriptorpb.FieldDescriptorProto_TYPE_INT32, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			why := instantProblem(oneField(t, tc.field, tc.kind, tc.typ))
			if got := why != ""; got != tc.bad {
				t.Errorf("got problem %q, want one: %v", why, tc.bad)
			}
		})
	}
}

// instantProblem says what is wrong with a field that carries an instant, or "".
func instantProblem(f protoreflect.FieldDescriptor) string {
	name, isTimestamp := string(f.Name()), f.Message() != nil && f.Message().FullName() == timestamp
	scalar := f.Message() == nil
	comment := f.ParentFile().SourceLocations().ByDescriptor(f).LeadingComments
	switch {
	case saysSpan.MatchString(name):
		if isTimestamp || scalar {
			return "its name promises a length of time, so it must be a google.protobuf.Duration"
		}
	case saysInstant.MatchString(name) && !isTimestamp:
		return "its name promises an instant, so it must be a google.protobuf.Timestamp"
	case isTimestamp && !saysInstant.MatchString(name):
		return "it is a Timestamp, so its name must say so (_at, _since, _until, _before)"
	case scalar && strings.Contains(name, "unix"), scalar && commentSaysInstant.MatchString(comment):
		return "it carries an instant in a scalar, use google.protobuf.Timestamp"
	}
	return ""
}

// eachField walks the contract as it is written: compiled from source, because generated code has lost the comments.
func eachField(t *testing.T, visit func(protoreflect.FieldDescriptor)) {
	t.Helper()
	const root = "../../proto"
	names, err := fs.Glob(os.DirFS(root), "tidemark/*/v1/*.proto")
	if err != nil || len(names) == 0 {
		t.Fatalf("find the contract under %s: %d files, %v", root, len(names), err)
	}
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{root}}),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	files, err := compiler.Compile(t.Context(), names...)
	if err != nil {
		t.Fatalf("compile the contract: %v", err)
	}
	for _, file := range files {
		eachMessage(file.Messages(), visit)
	}
}

func eachMessage(messages protoreflect.MessageDescriptors, visit func(protoreflect.FieldDescriptor)) {
	for i := range messages.Len() {
		m := messages.Get(i)
		for j := range m.Fields().Len() {
			visit(m.Fields().Get(j))
		}
		eachMessage(m.Messages(), visit)
	}
}

func oneField(t *testing.T, name string, kind descriptorpb.FieldDescriptorProto_Type, typ string) protoreflect.FieldDescriptor {
	t.Helper()
	field := &descriptorpb.FieldDescriptorProto{Name: &name, Number: ptr(int32(1)), Type: &kind}
	if typ != "" {
		field.TypeName = &typ
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: ptr("case.proto"), Syntax: ptr("proto3"),
		Dependency:  []string{"google/protobuf/timestamp.proto", "google/protobuf/duration.proto"},
		MessageType: []*descriptorpb.DescriptorProto{{Name: ptr("Case"), Field: []*descriptorpb.FieldDescriptorProto{field}}},
	}, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatalf("describe the case: %v", err)
	}
	return file.Messages().Get(0).Fields().Get(0)
}

func ptr[T any](v T) *T { return &v }
