package rpc

import (
	"time"

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
