#!/usr/bin/env bash
# Makes sure that a Postgres and a Redis can be started here, and with the argument promtool that this is here, too. No server is left running or
# configured; Tidemark starts private ones.
set -euo pipefail

have_postgres() { command -v postgres >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || compgen -G '/opt/homebrew/opt/postgresql@*/bin/postgres' >/dev/null || compgen -G '/usr/local/opt/postgresql@*/bin/postgres' >/dev/null; }
have_redis() { command -v redis-server >/dev/null; }
have_promtool() { [[ " ${wanted[*]} " != *" promtool "* ]] || command -v promtool >/dev/null; }
wanted=("$@")

command -v go >/dev/null || { echo "Go is missing: https://go.dev/doc/install" >&2; exit 1; }
have_postgres && have_redis && have_promtool && exit 0

missing=()
if command -v apt-get >/dev/null; then
  have_postgres || missing+=(postgresql)
  have_redis || missing+=(redis-server)
  have_promtool || missing+=(prometheus)
  root=(); [[ $EUID == 0 ]] || root=(sudo)
  echo "installing ${missing[*]}" >&2
  "${root[@]}" apt-get update -qq
  # policy-rc.d keeps the packages from starting servers of their own during this installation
  policy=/usr/sbin/policy-rc.d
  if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee "$policy" >/dev/null && "${root[@]}" chmod +x "$policy"
    trap '"${root[@]}" rm -f "$policy"' EXIT
  fi
  DEBIAN_FRONTEND=noninteractive "${root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
elif command -v brew >/dev/null; then
  have_postgres || missing+=(postgresql@17)
  have_redis || missing+=(redis)
  have_promtool || missing+=(prometheus)
  brew install --quiet "${missing[@]}"
else
  echo "install PostgreSQL (15 or newer) and Redis (7 or newer) with this system's package manager${wanted[*]:+, and }${wanted[*]}" >&2
  exit 1
fi
