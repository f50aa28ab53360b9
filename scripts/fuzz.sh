#!/usr/bin/env bash
# Runs every fuzz target there is with FUZZTIME inputs (20000x: some seconds), of the packages whose path matches FUZZ (all).
#
# Inputs are counted, not seconds: when its time is over, the fuzzer of Go before 1.27 sometimes fails with "context deadline exceeded" and no input
# to blame (https://go.dev/issue/75804). FUZZTIME=5m is possible, too, and then that can be seen.
#
# The tests' own binaries are run, without the instrumentation that guides the search: that would compile everything anew, the TL schema, too, which
# takes longer than the search. GUIDED=1 does it, for a long one. What fails is written to the package's testdata/fuzz, and is a test from then on.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${FUZZTIME:-20000x} only=${FUZZ:-.} guided=${GUIDED:-}
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
failed=()
while read -r file; do
  dir=$(dirname "$file")
  [[ $file =~ $only ]] || continue
  [[ -e "$work/${dir//\//_}" ]] && continue
  go test ${guided:+-fuzz=Fuzz} -c -o "$work/${dir//\//_}" "./$dir"
  for target in $(cd "$dir" && "$work/${dir//\//_}" -test.list '^Fuzz'); do
    printf '%-60s ' "$dir $target"
    if (cd "$dir" && "$work/${dir//\//_}" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "$time" -test.fuzzcachedir "$work/cache") >"$work/log" 2>&1; then
      grep -o 'execs: [0-9]*' "$work/log" | tail -1 || echo "ok"
    else
      echo "FAILED"; cat "$work/log"; failed+=("$dir $target")
    fi
  done
done < <(grep -rl --include='*_test.go' '^func Fuzz' kit services suite | sort)
if ((${#failed[@]})); then printf 'failed: %s\n' "${failed[@]}"; exit 1; fi
