package rpc

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	protocodec "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// tolerant reads requests. gRPC answers one that cannot be decoded with INTERNAL and the decoder's text, before any interceptor sees it: a bug of
// the caller would look like one of ours, in metrics and alerts, too. So what cannot be decoded comes out as an empty message with a mark, which
// the interceptors refuse. The mark is a field that no message can have: its number is reserved.
type tolerant struct{ encoding.CodecV2 }

// malformedField is in the range that protobuf keeps for itself.
const malformedField protowire.Number = 19999

func newTolerant() encoding.CodecV2 { return tolerant{encoding.GetCodecV2(protocodec.Name)} }

// Unmarshal fails for none of our messages.
func (c tolerant) Unmarshal(data mem.BufferSlice, v any) error {
	err := c.CodecV2.Unmarshal(data, v)
	if m, ok := v.(proto.Message); ok && err != nil {
		proto.Reset(m)
		m.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, malformedField, protowire.VarintType), 1))
		return nil
	}
	return err
}

// malformed refuses what tolerant marked.
func malformed(m proto.Message) error {
	unknown := m.ProtoReflect().GetUnknown()
	for len(unknown) > 0 {
		number, _, n := protowire.ConsumeField(unknown)
		if n < 0 || number == malformedField {
			return Error(codes.InvalidArgument, "MALFORMED_REQUEST", "the request cannot be decoded: send protobuf of this method's request, with texts in UTF-8")
		}
		unknown = unknown[n:]
	}
	return nil
}
