module github.com/tidemark/tidemark/services/parser

go 1.26.0

require (
	github.com/google/go-cmp v0.7.0
	github.com/gotd/contrib v0.25.0
	github.com/gotd/td v0.161.0
	github.com/jackc/pgx/v5 v5.12.0
	github.com/prometheus/client_golang v1.25.0
	github.com/redis/go-redis/v9 v9.23.0
	github.com/tidemark/tidemark/gen v0.0.0
	github.com/tidemark/tidemark/kit v0.0.0
	golang.org/x/crypto v0.58.0
	golang.org/x/sync v0.24.0
	golang.org/x/time v0.16.0
	google.golang.org/genproto/googleapis/rpc v0.0.0-20261104224025-d1e00e9f33ab
	google.golang.org/grpc v1.85.0
	google.golang.org/protobuf v1.36.12
	pgregory.net/rapid v1.3.0
)

require github.com/cenkalti/backoff/v4 v4.3.0

replace (
	github.com/tidemark/tidemark/gen => ../../gen
	github.com/tidemark/tidemark/kit => ../../kit
)
