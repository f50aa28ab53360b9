package pg

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// spans makes a span of each statement and each batch while something is traced, and nothing otherwise: most of what a service asks a database is
// whether there is something to do. A span tells which statement it was and how it ended, in SQLSTATE; neither parameters nor the server's
// texts, which quote them.
type spans struct{ tracer trace.Tracer }

var (
	_ pgx.QueryTracer = spans{}
	_ pgx.BatchTracer = spans{}
)

// TraceQueryStart is pgx.QueryTracer's.
func (s spans) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return ctx
	}
	return s.start(ctx, statement(q.SQL), 1)
}

// TraceQueryEnd is pgx.QueryTracer's.
func (s spans) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryEndData) {
	end(ctx, q.Err)
}

// TraceBatchStart is pgx.BatchTracer's.
func (s spans) TraceBatchStart(ctx context.Context, _ *pgx.Conn, b pgx.TraceBatchStartData) context.Context {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return ctx
	}
	names := make([]string, 0, b.Batch.Len())
	for _, q := range b.Batch.QueuedQueries {
		if name := statement(q.SQL); len(names) == 0 || names[len(names)-1] != name {
			names = append(names, name)
		}
	}
	return s.start(ctx, strings.Join(names[:min(4, len(names))], ", "), b.Batch.Len())
}

// TraceBatchQuery is pgx.BatchTracer's.
func (s spans) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd is pgx.BatchTracer's.
func (s spans) TraceBatchEnd(ctx context.Context, _ *pgx.Conn, b pgx.TraceBatchEndData) {
	end(ctx, b.Err)
}

// started marks a context whose span is ours to end.
type started struct{}

func (s spans) start(ctx context.Context, name string, statements int) context.Context {
	ctx, span := s.tracer.Start(ctx, "postgres "+name, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("db.system.name", "postgresql"), attribute.Int("db.operation.batch.size", statements)))
	return context.WithValue(ctx, started{}, span)
}

func end(ctx context.Context, err error) {
	span, ok := ctx.Value(started{}).(trace.Span)
	if !ok {
		return
	}
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		span.SetStatus(codes.Error, "")
		if server := (*pgconn.PgError)(nil); errors.As(err, &server) {
			span.SetAttributes(attribute.String("db.response.status_code", server.Code))
		}
	}
	span.End()
}

// named is how sqlc begins a statement, subject what another one is about.
var (
	named   = regexp.MustCompile(`^-- name: (\w+)`)
	subject = regexp.MustCompile(`(?i)\b(?:FROM|INTO|UPDATE|COPY)\s+([a-z_][a-z_.]*)`)
)

// statement is a short name of a statement: sqlc's, else its verb and its first table.
func statement(sql string) string {
	if found := named.FindStringSubmatch(sql); found != nil {
		return found[1]
	}
	verb, _, _ := strings.Cut(strings.TrimSpace(sql), " ")
	if found := subject.FindStringSubmatch(sql); found != nil {
		return strings.ToUpper(verb) + " " + found[1]
	}
	return strings.ToUpper(verb)
}
