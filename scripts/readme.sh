#!/usr/bin/env bash
# Runs what the README promises, against the simulator where it says Telegram. `make test` is a step of its own.
set -euo pipefail
cd "$(dirname "$0")/.."

make demo ARGS=--once

go build -o bin/ ./suite/cmd/tidemark ./services/parser/cmd/tgsim
command -v bin/grpcurl >/dev/null || GOBIN="$PWD/bin" GOWORK=off GOFLAGS=-mod=mod go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3
dir=$(mktemp -d) && chmod 755 "$dir"
trap 'kill $(jobs -p) 2>/dev/null; wait; rm -rf "$dir"' EXIT
bin/tgsim serve --listen 127.0.0.1:19443 --control 127.0.0.1:19444 --key-out "$dir/key.pem" --messages 300 2>"$dir/tgsim.log" &
export TIDEMARK_API_ID=1 TIDEMARK_API_HASH=x
until [[ -s $dir/key.pem ]]; do sleep 0.1; done
bin/tidemark up --data-dir "$dir/data" --telegram-dcs 2=127.0.0.1:19443 --telegram-public-keys "$dir/key.pem" --tick 2s 2>"$dir/up.log" &
up=$!

try() { for _ in $(seq 150); do "$@" >"$dir/out" 2>&1 && { cat "$dir/out"; return; }; sleep 0.2; done; echo "gave up on: $*" >&2; cat "$dir/out" "$dir/up.log" >&2; return 1; }
refused() { ! "$@" >"$dir/out" 2>&1 || { echo "was not refused: $*" >&2; return 1; }; cat "$dir/out"; }
covered() { bin/tidemark status | awk '$2 ~ /^@/ && $4 >= 290 && $6 == 0 {n++} END {exit n != 2}'; }
healthy() { exec 3<>/dev/tcp/127.0.0.1/8011 && printf 'GET /health HTTP/1.0\r\n\r\n' >&3 && grep -a '"status":"SERVING","version"' <&3; }

try bin/tidemark login --phone +10000000000 --code 12345
bin/tidemark channel add @harbour_daily https://t.me/night_sky_log
try covered
bin/tidemark status
bin/tidemark channel reread @harbour_daily --first 10 --last 200
PATH=$PATH:$(echo /usr/lib/postgresql/*/bin | tr ' ' :) psql "$(cat "$dir/data/postgres.url")" -c 'SELECT posted_at, left(text, 60) FROM parser.posts ORDER BY posted_at DESC LIMIT 5' | grep '5 rows'
bin/tidemark quarantine list
bin/tidemark quarantine retry @harbour_daily
try healthy
bin/grpcurl -plaintext 127.0.0.1:8010 list
bin/grpcurl -plaintext 127.0.0.1:8010 tidemark.scheduler.v1.SchedulerService/GetStatus
id=$(bin/tidemark channel list | awk '/harbour_daily/ {print $1}')
bin/grpcurl -plaintext -d "{\"channel_id\": $id}" 127.0.0.1:8010 tidemark.watermark.v1.WatermarkService/GetCoverage
scripts/runbook.sh "$dir/data" "$id"

echo "-- what goes wrong says what to do"
refused bin/tidemark channel add @no_such_channel_here
refused bin/tidemark channel add 'https://example.com/x'
refused bin/tidemark up --api-idd 1
TIDEMARK_API_IDD=1 refused bin/tidemark status
refused bin/tidemark status --addr 127.0.0.1:1
refused bin/tidemark up --data-dir "$dir/other" --grpc-addr 127.0.0.1:0 --http-addr 127.0.0.1:0 --database-url postgres://u:hunter2@127.0.0.1:1/x
! grep -rE 'hunter2|10000000000|12345' "$dir/up.log" "$dir/out"

kill -TERM $up && wait $up
[[ ! -e $dir/data/postgres.url ]]
echo "README: all of it works"
