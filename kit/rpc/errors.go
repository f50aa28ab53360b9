package rpc

import (
	"errors"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Domain is the ErrorInfo domain of every error that crosses a wire here.
const Domain = "tidemark"

// statusError is a status with details that keeps its cause for the log at the boundary.
type statusError struct {
	status *status.Status
	cause  error
}

func (e *statusError) Error() string {
	if e.cause != nil {
		return e.cause.Error()
	}
	return e.status.Message()
}

func (e *statusError) Unwrap() error              { return e.cause }
func (e *statusError) GRPCStatus() *status.Status { return e.status }

type errorParts struct {
	info    *errdetails.ErrorInfo
	details []protoadapt.MessageV1
	cause   error
}

// ErrorOption adds a detail to an error.
type ErrorOption func(*errorParts)

// Error is an error that crosses the wire: a machine reads its reason (UPPER_SNAKE), a person its message, which says what to do next.
func Error(code codes.Code, reason, message string, opts ...ErrorOption) error {
	parts := errorParts{info: &errdetails.ErrorInfo{Domain: Domain, Reason: reason}}
	for _, opt := range opts {
		opt(&parts)
	}
	s := status.New(code, message)
	details := append([]protoadapt.MessageV1{protoadapt.MessageV1Of(parts.info)}, parts.details...)
	if with, err := s.WithDetails(details...); err == nil {
		s = with
	}
	return &statusError{s, parts.cause}
}

// WithCause keeps what happened for the log; it never crosses the wire.
func WithCause(err error) ErrorOption { return func(p *errorParts) { p.cause = err } }

// WithMeta adds a pair to the ErrorInfo.
func WithMeta(key, value string) ErrorOption {
	return func(p *errorParts) {
		if p.info.Metadata == nil {
			p.info.Metadata = map[string]string{}
		}
		p.info.Metadata[key] = value
	}
}

// WithRetry says when to come back.
func WithRetry(after time.Duration) ErrorOption {
	return withDetail(&errdetails.RetryInfo{RetryDelay: durationpb.New(after)})
}

// WithField names the field that is wrong, and what is wrong with it.
func WithField(field, description string) ErrorOption {
	return withDetail(&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: field, Description: description}}})
}

// WithPrecondition names what must be mended first: a kind ("ACCOUNT"), which one, and how.
func WithPrecondition(kind, subject, description string) ErrorOption {
	return withDetail(&errdetails.PreconditionFailure{Violations: []*errdetails.PreconditionFailure_Violation{{Type: kind, Subject: subject, Description: description}}})
}

// WithResource names the resource that the error is about.
func WithResource(kind, name, description string) ErrorOption {
	return withDetail(&errdetails.ResourceInfo{ResourceType: kind, ResourceName: name, Description: description})
}

func withDetail(m protoadapt.MessageV2) ErrorOption {
	return func(p *errorParts) { p.details = append(p.details, protoadapt.MessageV1Of(m)) }
}

// InvalidField is INVALID_ARGUMENT naming the field.
func InvalidField(field, description string) error {
	return Error(codes.InvalidArgument, "INVALID_FIELD", field+": "+description, WithField(field, description))
}

// Reason is the reason of an error that crossed the wire, or "".
func Reason(err error) string {
	if info := detail[*errdetails.ErrorInfo](err); info != nil {
		return info.GetReason()
	}
	return ""
}

// RetryAfter is how long an error that crossed the wire asks to wait.
func RetryAfter(err error) (time.Duration, bool) {
	if info := detail[*errdetails.RetryInfo](err); info != nil {
		return info.GetRetryDelay().AsDuration(), true
	}
	return 0, false
}

// Field is the field that an error from the wire complains about, or "".
func Field(err error) string {
	if bad := detail[*errdetails.BadRequest](err); bad != nil && len(bad.GetFieldViolations()) > 0 {
		return bad.GetFieldViolations()[0].GetField()
	}
	return ""
}

func detail[T any](err error) (found T) {
	s, ok := statusOf(err)
	if !ok {
		return found
	}
	for _, d := range s.Details() {
		if t, ok := d.(T); ok {
			return t
		}
	}
	return found
}

// statusOf finds the status anywhere in the chain, without the text that wrapping added.
func statusOf(err error) (*status.Status, bool) {
	var with interface{ GRPCStatus() *status.Status }
	if errors.As(err, &with) {
		return with.GRPCStatus(), true
	}
	return nil, false
}
