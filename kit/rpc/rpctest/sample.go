package rpctest

import (
	"math"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// numbers and texts that a seed's fields take: good ones first, then such as break what was not thought of.
var (
	numbers = []int64{1, 1_700_000_000, math.MinInt64, math.MaxInt64}
	texts   = []string{"parse", "1", "a\x00b", "🙂\u202e'\"; --"}
)

// deepest is how far a seed goes down into messages within messages.
const deepest = 4

// sample is a request with all fields set; rounds differ in what they are set to.
func sample(d protoreflect.MessageDescriptor, round int64, depth int) proto.Message {
	m := dynamicpb.NewMessage(d)
	for i := range d.Fields().Len() {
		fd := d.Fields().Get(i)
		if fd.Message() != nil && depth == deepest || fd.IsMap() {
			continue
		}
		v := value(fd, round, depth)
		if fd.IsList() {
			m.Mutable(fd).List().Append(v)
		} else {
			m.Set(fd, v)
		}
	}
	return m
}

func value(fd protoreflect.FieldDescriptor, round int64, depth int) protoreflect.Value {
	n := numbers[round%int64(len(numbers))]
	switch fd.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return protoreflect.ValueOfMessage(sample(fd.Message(), round, depth+1).ProtoReflect())
	case protoreflect.StringKind:
		if fd.Name() == "page_token" {
			return protoreflect.ValueOfString("")
		}
		return protoreflect.ValueOfString(texts[round%int64(len(texts))])
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(texts[round%int64(len(texts))]))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(round%2 == 1)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(min(max(n, -1), 3)))
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(int32(n))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(uint32(n))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(uint64(n))
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(math.NaN())
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(float32(math.Inf(1)))
	}
	return protoreflect.ValueOfInt64(n)
}
