package rpc

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	protocodec "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// tolerant reads requests. gRPC answers one that cannot be decoded with INTERNAL and the decoder's text, before any interceptor sees it: a bug of
// the caller would look like one of ours, in metrics and alerts, too. So what cannot be decoded comes out as an empty message with a mark, which
// the interceptors refuse. The mark is a field that no message can have: its number is reserved. A text with a NUL, which no table can hold, is
// marked likewise, with the name of its field.
type tolerant struct{ encoding.CodecV2 }

// malformedField is in the range that protobuf keeps for itself.
const malformedField protowire.Number = 19999

func newTolerant() encoding.CodecV2 { return tolerant{encoding.GetCodecV2(protocodec.Name)} }

// Unmarshal fails for none of our messages.
func (c tolerant) Unmarshal(data mem.BufferSlice, v any) error {
	err := c.CodecV2.Unmarshal(data, v)
	m, ok := v.(proto.Message)
	if !ok {
		return err
	}
	field := ""
	if err == nil {
		if !holdsZero(data) { // nor does any text in it
			return nil
		}
		if field = withNUL(m.ProtoReflect(), ""); field == "" {
			return nil
		}
	}
	proto.Reset(m)
	m.ProtoReflect().SetUnknown(protowire.AppendString(protowire.AppendTag(nil, malformedField, protowire.BytesType), field))
	return nil
}

func holdsZero(data mem.BufferSlice) bool {
	return slices.ContainsFunc(data, func(b mem.Buffer) bool { return bytes.IndexByte(b.ReadOnlyData(), 0) >= 0 })
}

// withNUL is the path of a text with a NUL, or "".
func withNUL(m protoreflect.Message, path string) (found string) {
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		at := join(path, string(fd.Name()))
		switch {
		case fd.IsMap():
			v.Map().Range(func(k protoreflect.MapKey, one protoreflect.Value) bool {
				found = cmp.Or(nulIn(fd.MapKey(), k.Value(), at), nulIn(fd.MapValue(), one, at))
				return found == ""
			})
		case fd.IsList():
			for i := 0; i < v.List().Len() && found == ""; i++ {
				found = nulIn(fd, v.List().Get(i), fmt.Sprintf("%s[%d]", at, i))
			}
		default:
			found = nulIn(fd, v, at)
		}
		return found == ""
	})
	return found
}

func nulIn(fd protoreflect.FieldDescriptor, v protoreflect.Value, path string) string {
	switch {
	case fd.Message() != nil:
		return withNUL(v.Message(), path)
	case fd.Kind() == protoreflect.StringKind && strings.IndexByte(v.String(), 0) >= 0:
		return path
	}
	return ""
}

// malformed refuses what tolerant marked.
func malformed(m proto.Message) error {
	unknown := m.ProtoReflect().GetUnknown()
	for len(unknown) > 0 {
		number, kind, tag := protowire.ConsumeTag(unknown)
		size := protowire.ConsumeFieldValue(number, kind, unknown[max(tag, 0):])
		if tag < 0 || size < 0 || number == malformedField {
			if field, n := protowire.ConsumeString(unknown[max(tag, 0):]); n > 0 && field != "" && kind == protowire.BytesType {
				return InvalidField(field, "holds a NUL, which no table can")
			}
			return Error(codes.InvalidArgument, "MALFORMED_REQUEST", "the request cannot be decoded: send protobuf of this method's request, with texts in UTF-8")
		}
		unknown = unknown[tag+size:]
	}
	return nil
}
