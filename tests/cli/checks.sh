#!/bin/sh
# The table of checks in docs/verify.md and the checks in the source: the same ids. And what tests share: tests/README.md names each.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
top=$CLOISTER_TESTS/..
kinds='(snp|tdx|policy|tpm|hcl|evidence|eventlog|id_block)'

# Beginnings of ids end in a dot or an underscore (lib/appraise/tee_*.c has some).
grep -rhoE "\"$kinds\\.[a-z_.]*[a-z]\"" "$top/lib" --include="*.c" | tr -d "\"" | sort -u >"$work/source"
grep -E '^\| `' "$top/docs/verify.md" | cut -d'|' -f2 | grep -oE "\`$kinds\\.[a-z_.]+\`" | tr -d '`' | sort >"$work/table"
[ -s "$work/source" ] || fail "no check found in the source"
sort -u "$work/table" | comm -23 "$work/source" - | while read -r id; do echo "not in docs/verify.md: $id"; done >"$work/missing"
sort -u "$work/table" | comm -13 "$work/source" - | while read -r id; do echo "not in the source: $id"; done >>"$work/missing"
uniq -d "$work/table" | while read -r id; do echo "twice in docs/verify.md: $id"; done >>"$work/missing"
for header in "$top"/tests/unit/*.h; do
    grep -qF "\`$(basename "$header")\`" "$top/tests/README.md" || echo "not in tests/README.md: $(basename "$header")" >>"$work/missing"
done
[ -s "$work/missing" ] && fail "$(cat "$work/missing")"
exit "$failed"
