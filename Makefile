# Tidemark. `make help` lists the targets; each CI step is one of them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

BUF := v1.75.0
PROTOC_GEN_GO := v1.36.12
PROTOC_GEN_GO_GRPC := v1.6.2
SQLC := v1.31.1
GOLANGCI := v2.15.0
GOVULNCHECK := v1.1.4

# The tools are built here, at these versions, aside from the workspace: their dependencies are none of ours.
install = GOBIN=$(CURDIR)/bin GOWORK=off GOFLAGS=-mod=mod go install
bin/buf: ; $(install) github.com/bufbuild/buf/cmd/buf@$(BUF)
bin/protoc-gen-go: ; $(install) google.golang.org/protobuf/cmd/protoc-gen-go@$(PROTOC_GEN_GO)
bin/protoc-gen-go-grpc: ; $(install) google.golang.org/grpc/cmd/protoc-gen-go-grpc@$(PROTOC_GEN_GO_GRPC)
bin/sqlc: ; $(install) github.com/sqlc-dev/sqlc/cmd/sqlc@$(SQLC)
bin/govulncheck: ; $(install) golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK)
bin/golangci-lint: ; $(install) github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI)

# Everything after `make demo` or `make test` is passed on: make demo ARGS=--once, make test ARGS=-race
ARGS ?=

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

.PHONY: setup
setup: ## install Postgres and Redis where they are missing (Debian: apt, macOS: Homebrew)
	@scripts/setup.sh

.PHONY: build
build: ## bin/tidemark and the three services
	go build -o bin/ ./suite/cmd/tidemark ./services/watermark/cmd/watermark ./services/parser/cmd/parser ./services/scheduler/cmd/scheduler ./services/parser/cmd/tgsim

.PHONY: demo
demo: setup ## ten channels of a simulated Telegram, in one process (ARGS=--once ends by itself)
	@go build -o bin/tidemark ./suite/cmd/tidemark
	@bin/tidemark demo $(ARGS)

.PHONY: test
test: setup bin/buf ## all tests, on a private Postgres and Redis (ARGS=-race, ARGS='-run X')
	@go run ./kit/cmd/withpg -- go test -timeout 15m $(ARGS) work

.PHONY: bench
bench: setup ## how fast a backfill is, beside the raw figures of the parts
	@go build -o bin/ ./suite/cmd/tidemark ./services/parser/cmd/tgsim
	@go run ./suite/bench $(ARGS)

.PHONY: generate
generate: bin/buf bin/protoc-gen-go bin/protoc-gen-go-grpc bin/sqlc ## contract -> gen and docs/api.md, SQL -> Go
	bin/buf format -w && bin/buf lint && bin/buf generate
	bin/buf build -o - | go run ./suite/cmd/apidoc > docs/api.md
	for s in watermark scheduler parser; do (cd services/$$s && ../../bin/sqlc generate) || exit 1; done

.PHONY: contract
contract: bin/buf ## lint the contract, and compare it with the last release's
	bin/buf lint
	bin/buf format --diff --exit-code
	bin/buf breaking --against proto/released.binpb

.PHONY: contract-against
BASE ?= origin/main
contract-against: bin/buf ## compare the contract with another commit's (BASE=origin/main)
	bin/buf breaking --against '.git#ref=$(BASE)'

.PHONY: fresh
fresh: generate ## fail if generated code is not what the sources say
	@git diff --exit-code -- gen proto docs/api.md 'services/*/internal/postgres/db' || { echo "generated code is stale: commit what \`make generate\` made"; exit 1; }
	@test -z "$$(git status --porcelain -- gen 'services/*/internal/postgres/db')" || { git status --short; echo "generated files are not committed"; exit 1; }

.PHONY: lint
lint: bin/golangci-lint ## Go
	bin/golangci-lint run ./kit/... ./services/parser/... ./services/scheduler/... ./services/watermark/... ./suite/...

.PHONY: vuln
vuln: bin/govulncheck ## known vulnerabilities in what we call
	for m in kit services/watermark services/scheduler services/parser suite; do (cd $$m && $(CURDIR)/bin/govulncheck ./...) || exit 1; done

.PHONY: verify
verify: contract fresh lint ## all that CI checks
	$(MAKE) test ARGS=-race

.PHONY: readme
readme: ## run the commands that the README promises
	@scripts/readme.sh

.PHONY: cookbook
cookbook: setup ## run the calls of docs/grpcurl.md
	@scripts/cookbook.sh

.PHONY: chaos
SEED ?= 1
chaos: setup ## break everything on a seeded schedule, compare with the truth (SEED=7, ARGS=--short, ARGS='--seeds 1-20')
	@go build -o bin/ ./suite/cmd/tidemark ./services/watermark/cmd/watermark ./services/parser/cmd/parser ./services/scheduler/cmd/scheduler ./services/parser/cmd/tgsim
	@go run ./suite/chaos --seed $(SEED) $(ARGS)

.PHONY: fuzz
fuzz: setup ## every fuzz target for some seconds (FUZZTIME=20000x, FUZZ=part of a path, GUIDED=1)
	@go run ./kit/cmd/withpg -- scripts/fuzz.sh

.PHONY: alerts
alerts: ## check the alert rules, and show that each fires for its cause alone
	@scripts/setup.sh promtool
	promtool check config deploy/prometheus/prometheus.yaml
	promtool test rules deploy/prometheus/alerts_test.yaml

.PHONY: compose-test
compose-test: ## build the images, run docker-compose.yml for real, kill everything in it (needs a Docker engine; says so where there is none)
	@scripts/compose-test.sh $(ARGS)
