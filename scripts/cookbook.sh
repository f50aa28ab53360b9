#!/usr/bin/env bash
# Runs docs/grpcurl.md from top to bottom against the simulated Telegram, and fails when it leaves an RPC out.
set -euo pipefail
cd "$(dirname "$0")/.."
go build -o bin/ ./suite/cmd/tidemark ./services/parser/cmd/tgsim
[[ -x bin/grpcurl ]] || GOBIN="$PWD/bin" GOWORK=off GOFLAGS=-mod=mod go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3
export PATH=$PWD/bin:$PATH ADDR=127.0.0.1:18010
page=$PWD/docs/grpcurl.md
dir=$(mktemp -d) && chmod 755 "$dir" && cd "$dir"
trap 'kill $(jobs -p) 2>/dev/null; wait; rm -rf "$dir"' EXIT

tgsim serve --listen 127.0.0.1:19543 --control 127.0.0.1:19544 --key-out key.pem --messages 300 --password secret 2>tgsim.log &
until [[ -s key.pem ]]; do sleep 0.1; done
TIDEMARK_API_ID=1 TIDEMARK_API_HASH=x tidemark up --data-dir "$dir/data" --grpc-addr $ADDR --http-addr 127.0.0.1:18011 --telegram-dcs 2=127.0.0.1:19543 --telegram-public-keys key.pem 2>up.log &
for _ in $(seq 150); do grpcurl -plaintext $ADDR list >/dev/null 2>&1 && break; sleep 0.2; done

sed -n '/^```bash$/,/^```$/p' "$page" | grep -v '^```' >page.sh
for service in $(grpcurl -plaintext $ADDR list | grep '^tidemark\.'); do
  for method in $(grpcurl -plaintext $ADDR list "$service"); do
    grep -qF "${method%.*}/${method##*.}" page.sh || { echo "docs/grpcurl.md does not show $method" >&2; exit 1; }
  done
done
timeout 120 bash -euo pipefail page.sh >out.txt 2>&1 || { echo "docs/grpcurl.md does not work:" >&2; tail -n 40 out.txt >&2; tail -n 20 up.log >&2; exit 1; }
echo "grpcurl cookbook: all $(grep -cE '^ *(timeout 2 )?grpcurl' page.sh) calls work, every RPC is shown"
