#!/bin/sh
# The table of checks in docs/verify.md and the checks in the source: the same ids. And what tests share: tests/README.md names each.
# And what each check stands on and fails in.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
top=$CLOISTER_TESTS/..
kinds='(snp|tdx|policy|tpm|hcl|nitro|evidence|eventlog|id_block|endorsement)'

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
# docs/checks.tsv: each id with a clause of its document, and a file whose cases it fails in.
page=$top/docs/checks.tsv
grep -E '^\| `' "$top/docs/verify.md" | cut -d'|' -f2 | grep -oE "\`[A-Za-z_.]+\`" | tr -d '`' | sort -u >"$work/ids"
tail -n +2 "$page" | cut -f1 | sort >"$work/rows"
[ "$(head -n 1 "$page")" = "$(printf 'id\tclause\ttest')" ] || fail "docs/checks.tsv: the first line"
{
    comm -23 "$work/ids" "$work/rows" | sed 's/^/no row in docs\/checks.tsv: /'
    comm -13 "$work/ids" "$work/rows" | sed 's/^/not in docs\/verify.md: /'
    uniq -d "$work/rows" | sed 's/^/twice in docs\/checks.tsv: /'
} >"$work/missing"
tail -n +2 "$page" | while IFS="$(printf '\t')" read -r id clause test; do
    words=$id # registers and pins are numbered or named by what follows
    case $id in *N) words=${id%N} ;; *.CLAIM) words=${id%CLAIM} ;; esac
    [ -n "$clause" ] || echo "$id: no clause"
    grep -qsE -- "(^|[^a-z_.])$(printf '%s' "$words" | sed 's/[.]/[.]/g')" "$top/$test" || echo "$id: $test does not mention it"
    for document in $(printf '%s\n' "$clause" | grep -oE 'docs/[a-z_/]+\.md'); do
        [ -e "$top/$document" ] || echo "$id: there is no $document"
    done
done >>"$work/missing"
[ -s "$work/missing" ] && fail "$(cat "$work/missing")"
{ "$top/docs/checks.sh" >"$work/page" && cmp -s "$work/page" "$top/docs/checks.md"; } || fail "docs/checks.md: run docs/checks.sh >docs/checks.md"
exit "$failed"
