#!/usr/bin/env bash
# Builds the images and runs docker-compose.yml for real: see suite/compose. Where no Docker engine can be used it says so in one line, and is content.
set -euo pipefail
cd "$(dirname "$0")/.."

not_run() { echo "compose-test: NOT RUN, $*"; exit 0; }
command -v docker >/dev/null || not_run "there is no docker command here"
docker info >/dev/null 2>&1 || not_run "no Docker engine answers here"
docker compose version >/dev/null 2>&1 || not_run "docker has no compose plugin here"
for image in golang:1.26-bookworm postgres:17-bookworm redis:8-bookworm gcr.io/distroless/static-debian12:nonroot; do
  docker image inspect "$image" >/dev/null 2>&1 || docker pull -q "$image" >/dev/null 2>&1 || not_run "the image $image is not here and cannot be had"
done

[[ -x bin/grpcurl ]] || GOBIN="$PWD/bin" GOWORK=off GOFLAGS=-mod=mod go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3
go build -o bin/compose-test ./suite/compose
go build -o bin/tidemark ./suite/cmd/tidemark
exec bin/compose-test "$@"
