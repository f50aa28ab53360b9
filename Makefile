# Tidemark. `make help` lists the targets; each CI step is one of them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

BUF := v1.75.0
PROTOC_GEN_GO := v1.36.12
PROTOC_GEN_GO_GRPC := v1.6.2

install = GOBIN=$(CURDIR)/bin GOWORK=off GOFLAGS=-mod=mod go install

bin/buf: ; $(install) github.com/bufbuild/buf/cmd/buf@$(BUF)
bin/protoc-gen-go: ; $(install) google.golang.org/protobuf/cmd/protoc-gen-go@$(PROTOC_GEN_GO)
bin/protoc-gen-go-grpc: ; $(install) google.golang.org/grpc/cmd/protoc-gen-go-grpc@$(PROTOC_GEN_GO_GRPC)

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

.PHONY: generate
generate: bin/buf bin/protoc-gen-go bin/protoc-gen-go-grpc ## contract -> gen
	bin/buf format -w && bin/buf lint && bin/buf generate
