package rpc

import (
	"context"
	"fmt"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// instants refuses a request in which any Timestamp, however deep, is zero or out of range: absent means absent, and a zero instant is a
// bug of the sender that must not get further. Which message types can hold a Timestamp at all is remembered, so that others cost nothing.
type instants struct {
	holds sync.Map // protoreflect.MessageDescriptor -> bool
}

func (i *instants) unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if err := i.check(req); err != nil {
		return nil, err
	}
	return handler(ctx, req)
}

func (i *instants) stream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	return handler(srv, checkedStream{stream, i})
}

type checkedStream struct {
	grpc.ServerStream
	instants *instants
}

// RecvMsg refuses a message of the stream as it would a unary request.
func (s checkedStream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	return s.instants.check(m)
}

func (i *instants) check(req any) error {
	m, ok := req.(proto.Message)
	if !ok {
		return nil
	}
	if err := malformed(m); err != nil {
		return err
	}
	if field, problem := i.inMessage(m.ProtoReflect(), ""); problem != "" {
		return InvalidField(field, problem)
	}
	return nil
}

const timestampName protoreflect.FullName = "google.protobuf.Timestamp"

func (i *instants) inMessage(m protoreflect.Message, path string) (field, problem string) {
	if m.Descriptor().FullName() == timestampName {
		return path, instantProblem(m)
	}
	if !i.canHold(m.Descriptor()) {
		return "", ""
	}
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		field, problem = i.inField(fd, v, join(path, string(fd.Name())))
		return problem == ""
	})
	return field, problem
}

func (i *instants) inField(fd protoreflect.FieldDescriptor, v protoreflect.Value, path string) (field, problem string) {
	switch {
	case fd.IsMap():
		if fd.MapValue().Message() == nil {
			return "", ""
		}
		v.Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
			field, problem = i.inMessage(v.Message(), fmt.Sprintf("%s[%v]", path, k))
			return problem == ""
		})
		return field, problem
	case fd.Message() == nil:
		return "", ""
	case fd.IsList():
		for at := range v.List().Len() {
			if field, problem = i.inMessage(v.List().Get(at).Message(), fmt.Sprintf("%s[%d]", path, at)); problem != "" {
				return field, problem
			}
		}
		return "", ""
	}
	return i.inMessage(v.Message(), path)
}

// canHold is true when a Timestamp can be reached from a message of this type.
func (i *instants) canHold(d protoreflect.MessageDescriptor) bool {
	if known, ok := i.holds.Load(d); ok {
		return known.(bool)
	}
	found := reaches(d, map[protoreflect.FullName]bool{})
	i.holds.Store(d, found)
	return found
}

func reaches(d protoreflect.MessageDescriptor, seen map[protoreflect.FullName]bool) bool {
	if d.FullName() == timestampName {
		return true
	}
	if seen[d.FullName()] {
		return false
	}
	seen[d.FullName()] = true
	for at := range d.Fields().Len() {
		if of := d.Fields().Get(at).Message(); of != nil && reaches(of, seen) { // a map's is its entry, with key and value
			return true
		}
	}
	return false
}

func instantProblem(m protoreflect.Message) string {
	fields := m.Descriptor().Fields()
	ts := timestamppb.Timestamp{
		Seconds: m.Get(fields.ByName("seconds")).Int(),
		Nanos:   int32(m.Get(fields.ByName("nanos")).Int()),
	}
	switch {
	case !ts.IsValid():
		return "instant out of range: years 1 to 9999, nanos 0 to 999999999"
	case ts.Seconds == 0 && ts.Nanos == 0, ts.AsTime().IsZero():
		return "zero instant: leave the field out when there is none"
	}
	return ""
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
