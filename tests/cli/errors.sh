#!/bin/sh
# Every error has a code that stays: the folder of the source that failed and how. Each code of the source has a row in docs/errors.tsv and each
# row an error; no error is printed without one; and those of wrong uses of every command have a row.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
top=$CLOISTER_TESTS/..
table=$top/docs/errors.tsv
cd "$work" || exit 4

# codes_of FOLDER: part.kind for each status that an error of its files is given; what is only compared or named in a table is left out.
codes_of() {
    part=$(basename "$1")
    cat "$1"/*.c "$1"/*.h 2>/dev/null | grep -v '\[CLO_ERR_' | sed -E 's/[!=]= *CLO_ERR_[A-Z]+//g' |
        grep -oE 'CLO_ERR_[A-Z]+' | tr '[:upper:]' '[:lower:]' | sed "s/clo_err_/$part./"
}
for folder in cli device guest image lib net sim verifier; do
    find "$top/$folder" -type d | while IFS= read -r one; do codes_of "$one"; done
done | LC_ALL=C sort -u >source
tail -n +2 "$table" | cut -f 1 >rows
[ -s source ] || fail "no error in the source"
[ "$(head -n 1 "$table")" = "$(printf 'code\tmeans\tdo')" ] || fail "docs/errors.tsv: the first line"
LC_ALL=C sort rows | uniq -d >twice
LC_ALL=C sort rows >sorted
comm -23 source sorted >unknown
comm -13 source sorted >stale
[ ! -s unknown ] || fail "no row in docs/errors.tsv: $(tr '\n' ' ' <unknown)"
[ ! -s stale ] || fail "no such error in the source: $(tr '\n' ' ' <stale)"
[ ! -s twice ] || fail "two rows: $(tr '\n' ' ' <twice)"
awk -F '\t' 'NF != 3 || $2 == "" || $3 == "" { print $1; wrong = 1 } END { exit wrong }' "$table" >>short || fail "not three columns: $(cat short)"
{ "$top/docs/errors.sh" >page && cmp -s page "$top/docs/errors.md"; } || fail "docs/errors.md: run docs/errors.sh >docs/errors.md"
grep -q '(errors.md)' "$top/docs/troubleshooting.md" || fail "docs/troubleshooting.md does not lead to the codes"

# One function prints errors. Others print notes, warnings, what is tried again, and a token that another follows.
grep -rnE 'fprintf\(stderr, "cloister: ' "$top/cli" "$top/sim" --include='*.c' | grep -vE 'note: |warning: |left out|trying again|"cloister: %s%\.\*s%s%s%s%s%s|uki/options.c|broker/unlock.c' >others
[ ! -s others ] || fail "prints an error without a code: $(cat others)"

# said NAME STATUS CODE COMMAND…
said() {
    name=$1 wanted=$2 word=$3
    shift 3
    expect "$name" "$wanted" '' "$@" </dev/null
    grep -q " \[$word\]\$" err || fail "$name: does not end with [$word]: $(cat err)"
}
printf 'hello\n' >text
: >empty
said "an unknown command" 2 cli.usage "$cloister" audti
said "no command" 2 cli.usage "$cloister" uki
said "an unknown option" 2 cli.usage "$cloister" audit --fro
said "a file that is not there" 3 device.format "$cloister" eventlog show none
said "a log that is text" 3 tcg.format "$cloister" eventlog show text
said "a disk that is text" 3 image.format "$cloister" image inspect text
said "a UKI that is text" 3 efi.format "$cloister" uki inspect text
said "a report that is text" 3 evidence.format "$cloister" verify snp text
said "a policy that is text" 3 base.format "$cloister" policy check text
said "a state that is not there" 3 store.format "$cloister" key list --state none
said "no input at all" 3 evidence.format "$cloister" verify tdx empty
status=0
"$cloister" version >&- 2>err || status=$?
[ "$status $(cat err)" = "4 cloister: standard output: cannot be written [cli.system]" ] || fail "a closed standard output: $status, $(cat err)"

# Every command with a file that is text: what it says has a row.
"$cloister" --help=commands >commands
while IFS= read -r command; do
    # shellcheck disable=SC2086 # words
    timeout 60 "$cloister" $command text text >out 2>err </dev/null
    word=$(sed -n '/^cloister: /s/.* \[\([a-z-]*\.[a-z]*\)\]$/\1/p' err | tail -n 1)
    [ -s err ] || continue
    if [ -n "$word" ]; then
        grep -qxF -- "$word" rows || fail "$command: $word has no row"
    else
        grep -qE '^cloister: (note|warning): ' err || fail "$command: an error without a code: $(cat err)"
    fi
done <commands
exit "$failed"
