#!/bin/bash
# mutate.sh: takes each defence of tests/attacks/attacks.tsv out, one at a time and in a copy of the tree, and demands that the test
# named with it then fails; before that, that it passes. Prints a line for each; exit status 0 if all are as they should be.
#
#   tests/attacks/mutate.sh [--suite SUITE]… [--scratch DIR] [ID…]
#
#   --suite SUITE   only rows of that suite (unit, fuzz, cli, vm; may repeat; default: all but vm)
#   --scratch DIR   where the copy and its build are; kept, so that the next run is quick (default: build-mutated)
set -euo pipefail
cd "$(dirname "$0")/../.."

suites=() ids=() scratch=build-mutated
while [ $# -gt 0 ]; do
    case $1 in
    --suite | --scratch)
        [ $# -ge 2 ] || { echo "mutate.sh: $1: a value is missing" >&2; exit 2; }
        if [ "$1" = --suite ]; then suites+=("$2"); else scratch=$2; fi
        shift 2
        ;;
    -*)
        echo "mutate.sh: $1: no such option (usage: mutate.sh [--suite SUITE]… [--scratch DIR] [ID…])" >&2
        exit 2
        ;;
    *)
        ids+=("$1")
        shift
        ;;
    esac
done
[ ${#suites[@]} -gt 0 ] || [ ${#ids[@]} -gt 0 ] || suites=(unit fuzz cli)

table=$PWD/tests/attacks/attacks.tsv
mkdir -p "$scratch"
scratch=$(cd "$scratch" && pwd)
tree=$scratch/tree build=$scratch/build log=$scratch/log
mkdir -p "$tree" "$log"

# The tree as it is now, with what is not committed: only files that differ are written, so that little is built again.
{ git ls-files -z --cached --others --exclude-standard 2>/dev/null || find . -type f -not -path './build*' -printf '%P\0'; } | while IFS= read -r -d '' path; do
    [ ! -e "$path" ] || cmp -s "$path" "$tree/$path" || { mkdir -p "$tree/$(dirname "$path")" && cp -P "$path" "$tree/$path"; }
done

export CLOISTER_VECTORS=${CLOISTER_VECTORS:-$PWD/../shared/vectors}
# The lab's own cache is used, and its folder is not the other tree's.
export LAB_CACHE=${LAB_CACHE:-$PWD/build/lab/cache}
compiler=${CC:-cc}
! command -v ccache >/dev/null || case $compiler in *ccache*) ;; *) compiler="ccache $compiler" ;; esac
[ -e "$build/build.ninja" ] ||
    CC=$compiler meson setup "$build" "$tree" >"$log/setup" 2>&1 || { tail -n 5 "$log/setup" >&2; exit 4; }

# given SUITE TEST: the files that Meson builds for that test.
given() {
    jq -rn --arg suite "$1" --arg test "$2" --arg build "$build/" --slurpfile tests <(meson introspect --tests "$build") \
        --slurpfile targets <(meson introspect --targets "$build") '
        ($tests[0][] | select(.name == $test and (.suite | any(endswith(":" + $suite)))).depends) as $needed |
        $targets[0][] | select(.id | IN($needed[])).filename[] | ltrimstr($build)'
}
# make SUITE TEST: what that test runs, and what the programs start.
make() {
    local targets
    mapfile -t targets < <(given "$1" "$2")
    case $1 in unit | fuzz) ;; *) targets+=(cli/cloister-full sim/cloister-sim guest/cloister-init) ;; esac
    ninja -C "$build" "${targets[@]}"
}
# Without its defences a boot goes on for longer.
export CLOISTER_ALL_BOOTS=yes
try() { meson test -C "$build" --no-rebuild --print-errorlogs --timeout-multiplier 4 --suite "$1" "$2"; }

# The table lists what is wanted: no column of it is empty, so a tab separates it safely.
wanted() {
    awk -F'\t' -v suites=" ${suites[*]-} " -v ids=" ${ids[*]-} " 'NR > 1 && (ids != "  " ? index(ids, " " $1 " ") : index(suites, " " $6 " "))' "$table"
}
for id in "${ids[@]}"; do
    grep -qxF -- "$id" <(cut -f 1 "$table") || { echo "mutate.sh: $id: not in $table" >&2; exit 2; }
done

declare -A passes outcomes
failures=0 count=0
# say ID WORDS: a line of the table that is printed.
say() { printf '%-34s %-28s %s\n' "$1" "$suite/$test" "$2"; }
wrong() {
    say "$1" "$2"
    failures=$((failures + 1))
}

while IFS=$'\t' read -r id _ _ _ _ suite test case file mutation; do
    count=$((count + 1))
    if [ -z "${passes[$suite/$test]-}" ]; then
        passes[$suite/$test]=no
        if make "$suite" "$test" >"$log/$suite-$test" 2>&1 && try "$suite" "$test" >>"$log/$suite-$test" 2>&1; then
            passes[$suite/$test]=yes
        fi
    fi
    [ "${passes[$suite/$test]}" = yes ] || { wrong "$id" "FAILS already with the defence ($log/$suite-$test)"; continue; }
    ! grep -q 'Skipped: *[1-9]' "$log/$suite-$test" || { say "$id" "skipped: the test cannot run here"; continue; }
    cp "$tree/$file" "$log/whole"
    if ! sed -E "$mutation" "$log/whole" >"$log/mutated" 2>"$log/sed" || cmp -s "$log/mutated" "$log/whole"; then
        wrong "$id" "the mutation CHANGES NOTHING in $file $(head -n 1 "$log/sed")"
        continue
    fi
    # Rows that take the same thing out of the same test share the run.
    run="$suite/$test/$file/$mutation"
    if [ -z "${outcomes[$run]-}" ]; then
        cp "$log/mutated" "$tree/$file"
        if ! make "$suite" "$test" >"$log/$id" 2>&1; then
            outcomes[$run]="mutated, it DOES NOT COMPILE ($log/$id)"
        elif try "$suite" "$test" >>"$log/$id" 2>&1; then
            outcomes[$run]="the test STILL PASSES without the defence"
        else
            outcomes[$run]="fails without it|$log/$id"
        fi
        cp "$log/whole" "$tree/$file"
    fi
    result=${outcomes[$run]%%|*} said=${outcomes[$run]#*|}
    # A boot's test goes through all of its attacks: this one must be among those that got through.
    if [ "$result" = 'fails without it' ] && [ "$suite" = vm ] && ! grep -qF -- "FAILED: $case" "$said"; then
        result="the test fails, but NOT IN THIS CASE ($said)"
    fi
    if [ "$result" = 'fails without it' ]; then say "$id" "$result"; else wrong "$id" "$result"; fi
done < <(wanted | sort -t$'\t' -k 6,7 -s)
printf '%d defences taken out, %d not as they should be\n' "$count" "$failures"
[ "$failures" = 0 ] && [ "$count" -gt 0 ]
