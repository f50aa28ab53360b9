#!/usr/bin/env bash
# Makes the .env that docker compose reads, out of .env.example, with fresh random secrets.
#
#   scripts/env.sh              the real Telegram, with locks; then put your api id and hash into .env
#   scripts/env.sh demo         the simulated one, in the clear on the loopback
#   scripts/env.sh demo-locked  the simulated one, with locks
#   scripts/env.sh demo FILE    into FILE instead of .env
#
# It never replaces a file: its secrets are in the volumes, too.
set -euo pipefail
cd "$(dirname "$0")/.."
kind=${1:-real} file=${2:-.env}
[[ $kind == real || $kind == demo || $kind == demo-locked ]] || { echo "usage: scripts/env.sh [real|demo|demo-locked] [FILE]" >&2; exit 2; }
[[ ! -e $file ]] || { echo "$file is there already and stays as it is; remove it, and the volumes with \`docker compose --profile demo down -v\`, to begin anew" >&2; exit 1; }

secret() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
demo() {
  [[ $kind != real ]] || return 1
  case $kind.$1 in
    demo.COMPOSE_FILE) echo docker-compose.yml; return ;;
    demo.INSECURE_PLAINTEXT) echo true; return ;;
  esac
  case $1 in
    TIDEMARK_API_ID) echo 1 ;;
    TIDEMARK_API_HASH) echo demo ;;
    TIDEMARK_TELEGRAM_DCS) echo 2=tgsim:9443 ;;
    TIDEMARK_TELEGRAM_PUBLIC_KEYS) echo /telegram/public.pem ;;
    TIDEMARK_TICK) echo 2s ;;
    HISTORY_RATE | RESOLVE_RATE) echo 0 ;;
    *) return 1 ;;
  esac
}

umask 077
while IFS= read -r line; do
  name=${line%%=*}
  if [[ $line == [A-Z]*=* ]] && value=$(demo "$name"); then
    echo "$name=$value"
  elif [[ $line =~ ^[A-Z_]*(PASSWORD[A-Z_]*|SESSION_KEY)=$ ]]; then
    echo "$name=$(secret)"
  else
    echo "$line"
  fi
done <.env.example >"$file.new"
mv -n "$file.new" "$file"
echo "$file is made, with secrets of its own"
[[ $kind != real ]] || echo "next: put your api id and hash from https://my.telegram.org into it"
