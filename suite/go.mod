module github.com/tidemark/tidemark/suite

go 1.26.0

require (
	github.com/alecthomas/kong v1.17.0
	github.com/google/go-cmp v0.7.0
	github.com/jackc/pgx/v5 v5.12.0
	github.com/prometheus/client_golang v1.25.0
	github.com/redis/go-redis/v9 v9.23.0
	github.com/tidemark/tidemark/gen v0.0.0
	github.com/tidemark/tidemark/kit v0.0.0
	github.com/tidemark/tidemark/services/parser v0.0.0
	github.com/tidemark/tidemark/services/scheduler v0.0.0
	github.com/tidemark/tidemark/services/watermark v0.0.0
	golang.org/x/sync v0.24.0
	golang.org/x/term v0.47.0
	google.golang.org/grpc v1.85.0
	google.golang.org/protobuf v1.36.12
)

require (
	github.com/bufbuild/protocompile v0.14.1 // indirect
	github.com/gotd/td v0.161.0 // indirect
)

replace (
	github.com/tidemark/tidemark/gen => ../gen
	github.com/tidemark/tidemark/kit => ../kit
	github.com/tidemark/tidemark/services/parser => ../services/parser
	github.com/tidemark/tidemark/services/scheduler => ../services/scheduler
	github.com/tidemark/tidemark/services/watermark => ../services/watermark
)
