#!/usr/bin/env bash
# Runs docs/grpcurl.md from top to bottom, and fails when it leaves an RPC out: against `tidemark up` and a simulated Telegram, which it starts for that, or, where SCHEDULER, PARSER
# and WATERMARK name the addresses of a simulated stack, against that one. CA and TOKEN open locked doors; PHONE, CODE and PASSWORD are the simulated account's.
#
# Afterwards nobody is logged in.
set -euo pipefail
cd "$(dirname "$0")/.."
[[ -x bin/grpcurl ]] || GOBIN="$PWD/bin" GOWORK=off GOFLAGS=-mod=mod go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3
export PATH=$PWD/bin:$PATH
page=$PWD/docs/grpcurl.md
if [[ -z ${SCHEDULER:-} ]]; then go build -o bin/ ./suite/cmd/tidemark ./services/parser/cmd/tgsim; fi
dir=$(mktemp -d) && chmod 755 "$dir" && cd "$dir"
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$dir"' EXIT
touch up.log

if [[ -z ${SCHEDULER:-} ]]; then
  export SCHEDULER=127.0.0.1:18010 PARSER=127.0.0.1:18010 WATERMARK=127.0.0.1:18010
  tgsim serve --listen 127.0.0.1:19543 --control 127.0.0.1:19544 --key-out key.pem --messages 300 --password secret 2>tgsim.log &
  until [[ -s key.pem ]]; do sleep 0.1; done
  TIDEMARK_API_ID=1 TIDEMARK_API_HASH=x tidemark up --data-dir "$dir/data" --grpc-addr $SCHEDULER --http-addr 127.0.0.1:18011 --telegram-dcs 2=127.0.0.1:19543 --telegram-public-keys key.pem 2>up.log &
fi
LOCKS=(-plaintext)
[[ -z ${CA:-} ]] || LOCKS=(-cacert "$CA" -expand-headers -H 'authorization: Bearer ${TOKEN}') # out of the environment: a command line can be seen by others
for _ in $(seq 150); do grpcurl "${LOCKS[@]}" "$SCHEDULER" list >/dev/null 2>&1 && break; sleep 0.2; done

{ printf 'LOCKS=(%s)\n' "${LOCKS[*]@Q}"; sed -n '/^```bash$/,/^```$/p' "$page" | grep -v '^```'; } >page.sh
shown=0
for at in "$SCHEDULER" "$PARSER" "$WATERMARK"; do
  for service in $(grpcurl "${LOCKS[@]}" "$at" list | grep '^tidemark\.'); do
    for method in $(grpcurl "${LOCKS[@]}" "$at" list "$service"); do
      grep -qF "${method%.*}/${method##*.}" page.sh || { echo "docs/grpcurl.md does not show $method" >&2; exit 1; }
      shown=$((shown + 1))
    done
  done
done
((shown >= 30)) || { echo "the services list only $shown RPCs: want 30 at least" >&2; exit 1; }
timeout 120 bash -euo pipefail page.sh >out.txt 2>&1 || { echo "docs/grpcurl.md does not work:" >&2; tail -n 40 out.txt >&2; tail -n 20 up.log >&2; exit 1; }
echo "grpcurl cookbook: all $(grep -cE '^ *(timeout 2 )?grpcurl' page.sh) calls work, every RPC is shown"
