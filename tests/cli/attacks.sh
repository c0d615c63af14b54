#!/bin/bash
# attacks.sh CLOISTER: the table of attacks holds together: its page is made from it, what it names exists, its words are said
# somewhere, and each of its mutations still changes the file that it is for.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
table=$top/tests/attacks/attacks.tsv
least=40

cd "$top" || exit 4
{ docs/attacks.sh >"$work/page" && cmp -s "$work/page" docs/attacks.md; } || fail "docs/attacks.md: run docs/attacks.sh >docs/attacks.md"

[ "$(head -n 1 "$table")" = "$(printf 'id\twho\tattack\trefused_by\twords\tsuite\ttest\tcase\tfile\tmutation')" ] || fail "the first line"
awk -F'\t' 'NF != 10 { print "line " NR ": " NF " columns" } { for (i = 1; i <= NF; i++) if ($i == "" || $i ~ /^ | $/) print "line " NR ": column " i }' \
    "$table" >"$work/columns"
[ ! -s "$work/columns" ] || fail "$(head -n 3 "$work/columns")"
[ "$(cut -f 1 "$table" | sort | uniq -d | wc -l)" = 0 ] || fail "twice: $(cut -f 1 "$table" | sort | uniq -d)"
rows=$(($(wc -l <"$table") - 1))
[ "$rows" -ge "$least" ] || fail "$rows attacks, at least $least expected"

# What says it: the program, or the test that compares with what it says.
sources() { find lib device net image guest verifier cli sim include -name '*.[ch]' -o -name '*.sh' -path 'sim/*' -o -name '*.tsv' -path 'lib/*'; }
# Messages as they are said: literals that go on in the next line are joined, quotes unescaped.
plain() { sed -zE 's/"\n *"//g; s/\\"/"/g' "$@"; }
sources | sort | while read -r file; do cat "$file"; done | plain >"$work/said"

# source_of SUITE TEST: what the test's cases stand in.
source_of() {
    case $1 in
    unit) echo "tests/unit/test_$2.c" ;;
    fuzz) echo "fuzz/fuzz_$2.c" ;;
    cli) echo "tests/cli/$2.sh" ;;
    vm) echo "tests/vm/$2.sh" ;;
    esac
}
# Meson's own list, where it is at hand; VM tests are only in it when asked for.
meson introspect --tests "$CLOISTER_BUILD" 2>/dev/null | python3 -c '
import json, sys
for test in json.load(sys.stdin):
    for suite in test["suite"]:
        print(suite.split(":")[-1] + "/" + test["name"])' >"$work/tests"
[ -s "$work/tests" ] || fail "meson introspect lists no tests"

while IFS=$'\t' read -r id who attack _ words suite test case file mutation; do
    [[ $id =~ ^[a-z0-9]+(-[a-z0-9]+)*$ ]] || fail "$id: is not lower-case-with-dashes"
    case $who in host | client | operator | cloud) ;; *) fail "$id: by whom: $who" ;; esac
    case $attack in *.) fail "$id: the attack ends with a full stop" ;; esac
    source=$(source_of "$suite" "$test")
    [ -e "${source:-none}" ] || { fail "$id: no test $suite/$test"; continue; }
    [ "$suite" = vm ] || grep -qxF -- "$suite/$test" "$work/tests" || fail "$id: $suite/$test is not in meson's list"
    [ "$suite" != vm ] || grep -qF -- "'$test'" tests/vm/meson.build || fail "$id: $suite/$test is not in tests/vm/meson.build"
    grep -qF -- "$case" "$source" || { [ "$suite" = vm ] && grep -qF -- "$case" sim/lab.sh; } || fail "$id: case '$case' is not in $source"
    [[ $words != *%* ]] || fail "$id: the words have a % in them: take what is said in the test"
    plain "$source" | cat "$work/said" - | grep -qF -- "$words" || fail "$id: nobody says '$words'"
    [ -e "$file" ] || { fail "$id: $file is not there"; continue; }
    sed -E "$mutation" "$file" >"$work/mutated" 2>"$work/sed" || { fail "$id: mutation: $(cat "$work/sed")"; continue; }
    ! cmp -s "$work/mutated" "$file" || fail "$id: the mutation changes nothing in $file"
done < <(tail -n +2 "$table")
exit "$failed"
