module github.com/tidemark/tidemark/kit

go 1.26.0

require (
	google.golang.org/grpc v1.85.0
	google.golang.org/protobuf v1.36.12
	github.com/jackc/pgx/v5 v5.12.0
	github.com/pressly/goose/v3 v3.29.0
	github.com/alecthomas/kong v1.17.0
	github.com/prometheus/client_golang v1.25.0
	go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc v0.72.0
	go.opentelemetry.io/otel v1.47.0
	github.com/grpc-ecosystem/go-grpc-middleware/v2 v2.3.4
	github.com/google/go-cmp v0.7.0
	github.com/fergusstrange/embedded-postgres v1.34.0
	github.com/alicebob/miniredis/v2 v2.40.0
	google.golang.org/genproto/googleapis/rpc v0.0.0-20261104224025-d1e00e9f33ab
	golang.org/x/sync v0.24.0
	github.com/redis/go-redis/v9 v9.23.0
)
