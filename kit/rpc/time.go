package rpc

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Time is an instant from the wire in UTC; absent is the zero Time.
func Time(ts *timestamppb.Timestamp) time.Time {
	if ts == nil {
		return time.Time{}
	}
	return ts.AsTime()
}

// Stamp is an instant for the wire; the zero Time is absent, never zero.
func Stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// checkInstants refuses a request in which any Timestamp, however deep, is zero or out of range: absent means absent, and a zero
// instant is a bug of the sender that must not get further.
func checkInstants(m proto.Message) error {
	if field, problem := badInstant(m.ProtoReflect(), ""); problem != "" {
		return InvalidField(field, problem)
	}
	return nil
}

const timestampName protoreflect.FullName = "google.protobuf.Timestamp"

func badInstant(m protoreflect.Message, path string) (field, problem string) {
	if m.Descriptor().FullName() == timestampName {
		return path, instantProblem(m)
	}
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		field, problem = badInField(fd, v, join(path, string(fd.Name())))
		return problem == ""
	})
	return field, problem
}

func badInField(fd protoreflect.FieldDescriptor, v protoreflect.Value, path string) (field, problem string) {
	switch {
	case fd.IsMap():
		if fd.MapValue().Message() == nil {
			return "", ""
		}
		v.Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
			field, problem = badInstant(v.Message(), fmt.Sprintf("%s[%v]", path, k))
			return problem == ""
		})
		return field, problem
	case fd.Message() == nil:
		return "", ""
	case fd.IsList():
		for i := range v.List().Len() {
			if field, problem = badInstant(v.List().Get(i).Message(), fmt.Sprintf("%s[%d]", path, i)); problem != "" {
				return field, problem
			}
		}
		return "", ""
	}
	return badInstant(v.Message(), path)
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
