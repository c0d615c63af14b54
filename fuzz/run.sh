#!/bin/bash
# run.sh: builds the fuzz targets with clang's libFuzzer and both sanitizers, lets each run for a while, and writes what came of
# it into a table whose sums grow from run to run.
#
#   fuzz/run.sh [--seconds N] [--keep-going] [--build DIR] [--work DIR] [--table FILE] [TARGET…]
#
#   --seconds N     how long each target runs, by the clock (default: 60)
#   --keep-going    goes on with the next target where one found something; without, the first find ends the run
#   --build DIR     the build folder, configured if it is not there (default: build-fuzz)
#   --work DIR      where inputs that led further are kept, and what stopped a target (default: build-fuzz/work)
#   --table FILE    the page with the table (default: docs/fuzzing.md); it is read first
#   TARGET          without the "fuzz_"; none: all of them, those that had the least time so far first
#
# Exit status: 0 nothing found, 1 something, 2 usage, 4 no clang here.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=60 keep_going=no build=build-fuzz work='' table=docs/fuzzing.md targets=()
usage() {
    echo "run.sh: $1 (usage: fuzz/run.sh [--seconds N] [--keep-going] [--build DIR] [--work DIR] [--table FILE] [TARGET…])" >&2
    exit 2
}
while [ $# -gt 0 ]; do
    case $1 in
    --keep-going)
        keep_going=yes
        shift
        continue
        ;;
    --seconds | --build | --work | --table)
        [ $# -ge 2 ] || usage "$1: a value is missing"
        case $1 in
        --seconds) seconds=$2 ;;
        --build) build=$2 ;;
        --work) work=$2 ;;
        --table) table=$2 ;;
        esac
        shift 2
        ;;
    -*) usage "$1: no such option" ;;
    *)
        targets+=("$1")
        shift
        ;;
    esac
done
[[ $seconds =~ ^[1-9][0-9]*$ ]] || usage "--seconds $seconds: not a number"
work=${work:-$build/work}

# shellcheck disable=SC2016 # sed and awk expand these
# sums: the table's rows as "TARGET CPU EXECUTIONS EDGES DATE RESULT", tab-separated.
sums() {
    [ ! -e "$table" ] || sed -n 's/^| `\([a-z0-9_]*\)` | \([0-9]*\) | \([0-9]*\) | \([0-9]*\) | \([^|]*\) | \([^|]*\) |$/\1\t\2\t\3\t\4\t\5\t\6/p' "$table"
}

all_targets() {
    local file
    for file in fuzz/fuzz_*.c; do
        file=${file#fuzz/fuzz_}
        echo "${file%.c}"
    done
}

# record TARGET CPU EXECUTIONS EDGES RESULT: adds to the table's sums, and writes the page again.
record() {
    local new=$work/table.new
    {
        page_head
        { sums; printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" "$(date -u +%F)" "$5"; all_targets; } | awk -F'\t' '
            NF == 1 { if (!($1 in date)) { cpu[$1] = runs[$1] = edges[$1] = 0; date[$1] = "-"; result[$1] = "has not run" } known[$1] = 1; next }
            { cpu[$1] += $2; runs[$1] += $3; if ($4 > edges[$1]) edges[$1] = $4; date[$1] = $5; result[$1] = $6 }
            END { for (name in known) printf "| `%s` | %d | %.0f | %d | %s | %s |\n", name, cpu[name], runs[name], edges[name], date[name], result[name] }' | sort
    } >"$new"
    awk -F' *[|] *' '/^\| `/ { cpu += $3; runs += $4; n++; if ($3 == 0) never++ }
        END { printf "\nIn sum: %d targets, %.1f hours of CPU, %.1f million executions; %d have not run.\n", n, cpu / 3600, runs / 1e6, never }' "$new" >>"$new.sum"
    cat "$new.sum" >>"$new"
    rm -f "$new.sum"
    mv "$new" "$table"
}

page_head() {
    cat <<'PAGE'
# Fuzzing

Made by `fuzz/run.sh`, which adds what each run did to the numbers below; nothing here is written by hand.

A target is one file in `fuzz/`: a parser, or a decision from its inputs on, with a property beyond "does not crash" that `MUST` states. They
run under clang's libFuzzer with the address and undefined-behaviour sanitizers; inputs that found something are kept in `fuzz/corpus/TARGET`, named
after what is wrong with them, and `./check` replays those with their truncations and a fixed sequence of mutations in every run, also
where there is no clang.

    fuzz/run.sh --seconds 3600              an hour of each, those with the least time so far first
    fuzz/run.sh --seconds 600 luks2 uki     ten minutes of these two

*CPU*: seconds of processor time in sum over all runs, which is less than the clock's where the machine had other work. *edges*: the most that a
run covered. *result*: of the last run.

| target | CPU | executions | edges | last run | result |
| --- | --- | --- | --- | --- | --- |
PAGE
}

# fuzz TARGET: runs it, records what came; false if it found something.
fuzz() {
    local name=$1 log=$work/$1.log status=0 used executions edges result='nothing found'
    mkdir -p "$work/corpus/$name" "$work/found"
    ninja -C "$build" "fuzz/fuzz_$name" >"$work/$name.build" 2>&1 || {
        tail -n 5 "$work/$name.build" >&2
        return 1
    }
    TIMEFORMAT='%U %S'
    used=$({ time "$build/fuzz/fuzz_$name" -max_total_time="$seconds" -print_final_stats=1 -timeout=30 -rss_limit_mb=2560 \
        -artifact_prefix="$work/found/$name-" "$work/corpus/$name" "fuzz/corpus/$name" >"$log" 2>&1; } 2>&1) || status=$?
    used=$(awk '{ printf "%d", $1 + $2 + 0.5 }' <<<"${used##*$'\n'}")
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -n 1)
    edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
    # Ended from outside, it found nothing either; what it did counts.
    ! grep -q 'libFuzzer: run interrupted' "$log" || status=0
    if [ "$status" != 0 ]; then
        result="**stopped**: $(sed -n 's/.*\(MUST(.*)\).*/\1/p; s/^SUMMARY: *//p' "$log" | head -n 1 | tr '|`' '  ' | cut -c1-90)"
    fi
    record "$name" "$used" "${executions:-0}" "${edges:-0}" "$result"
    printf '%-20s %6s s %10s executions %6s edges  %s\n' "$name" "$used" "${executions:-0}" "${edges:-0}" "$result"
    [ "$status" = 0 ]
}

compiler=$(command -v clang clang-19 clang-16 clang-14 | head -n 1) || { echo "run.sh: clang is not here" >&2; exit 4; }
mkdir -p "$work"
work=$(cd "$work" && pwd)
if [ ! -e "$build/build.ninja" ]; then
    CC=${CC:-$compiler} meson setup "$build" -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false -Dvm_tests=false \
        >"$work/setup.log" 2>&1 || { tail -n 3 "$work/setup.log" >&2; exit 4; }
fi
export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1

if [ ${#targets[@]} = 0 ]; then
    while IFS= read -r name; do targets+=("$name"); done < <({ all_targets | sed 's/$/\t0/'; sums | cut -f 1,2; } |
        awk -F'\t' '{ cpu[$1] += $2 } END { for (name in cpu) print cpu[name] "\t" name }' | sort -n | cut -f 2)
fi
found=0
for name in "${targets[@]}"; do
    [ -e "fuzz/fuzz_$name.c" ] || usage "$name: no such target"
    fuzz "$name" || { found=1; [ "$keep_going" = yes ] || break; }
done
exit "$found"
