#!/usr/bin/env bash
# Runs what docs/operations.md tells people to run, against the house with data directory $1 that follows the channel with the id $2. Of commands that are only
# named it finds out whether they exist, with the flags they are named with.
set -euo pipefail
cd "$(dirname "$0")/.."
data=$1 id=$2 page=docs/operations.md
PATH=$PWD/bin:$PATH:$(echo /usr/lib/postgresql/*/bin | tr ' ' :)
postgres=$(cat "$data/postgres.url") redis=$(cat "$data/redis.url")
out=$(mktemp) && trap 'rm -f "$out"' EXIT

command -v curl >/dev/null || curl() { # -s HOST:PORT/PATH
  local host=${2%%:*} rest=${2#*:}
  exec 3<>"/dev/tcp/$host/${rest%%/*}" && printf 'GET /%s HTTP/1.0\r\n\r\n' "${rest#*/}" >&3 && cat <&3
}

redis-cli -u "$redis" XGROUP CREATE tidemark:posts runbook 0 >/dev/null
etag=$(grpcurl -plaintext -d "{\"channel_id\": $id}" 127.0.0.1:8010 tidemark.watermark.v1.WatermarkService/GetWatermark | sed -n 's/.*"etag": "\(.*\)".*/\1/p')

does() {
  local command=$1
  command=${command//\"channel_id\": ID/\"channel_id\": $id}
  command=${command//\"etag\": \"E\"/\"etag\": \"$etag\"}
  command=${command/% GROUP/ runbook}
  command=${command/% CHANNEL/ $id}
  case $command in
  SELECT*) psql "$postgres" -qc "$command" ;;
  redis-cli\ *) eval "redis-cli -u '$redis' ${command#redis-cli }" ;;
  grpcurl\ * | curl\ * | "tidemark status" | "tidemark quarantine "*) eval "$command" ;;
  tidemark\ *) eval "$command --help" ;;
  *Service/*) grpcurl -plaintext 127.0.0.1:8010 describe "$(grpcurl -plaintext 127.0.0.1:8010 list | grep "\.${command%%/*}$").${command#*/}" ;;
  --*) grep -qe "${command%%[ =]*}" <(tidemark up --help) ;;
  *) echo "what kind of command is that?" && return 1 ;;
  esac
}

n=0
while read -r command; do
  n=$((n + 1))
  (does "${command#bin/}") >"$out" 2>&1 </dev/null && ! grep -q '^ERR\|(error)' "$out" || { echo "$page: $command" >&2; cat "$out" >&2; exit 1; }
done < <(sed -nE 's/^    (bin\/tidemark|curl) /\1 /p' "$page" | sed 's/   .*//'; grep -oE '`(SELECT |redis-cli |grpcurl |tidemark |--[a-z]|[A-Z][a-zA-Z]+Service/)[^`]*`' "$page" | tr -d '`')
((n >= 30)) || { echo "$page: only $n commands were found" >&2; exit 1; }
echo "$page: $n commands work"
