#!/bin/sh
# Event logs: shown, replayed, held against reference values; and what is not taken.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
corpus=$CLOISTER_TESTS/../fuzz/corpus/eventlog
cd "$work" || exit 4
command -v jq >/dev/null || skip "jq is not installed"

# What it says, and in both forms the same.
expect "show" 0 "SecureBoot: 1" "$cloister" eventlog show "$corpus/two-banks"
expect "show a SHA-1 log" 0 "EV_SEPARATOR" "$cloister" eventlog show "$corpus/sha1"
"$cloister" eventlog show "$corpus/two-banks" --json >show.json || fail "show --json"
[ "$(jq '.events | length' show.json)" = "$("$cloister" eventlog show "$corpus/two-banks" | grep -c 'EV_')" ] || fail "the two forms show different counts"
"$cloister" eventlog replay "$corpus/two-banks" --json >replay.json || fail "replay --json"
digest=$(jq -r '.pcrs.sha256."11"' replay.json)
# PCR 11 has one event, of the text "x".
expected=$( { head -c 32 /dev/zero; printf 'x' | openssl dgst -sha256 -binary; } | openssl dgst -sha256 -r | cut -d' ' -f1)
[ "$digest" = "$expected" ] || fail "replay: PCR 11 is $digest, not $expected"
expect "replay" 0 "$expected" "$cloister" eventlog replay "$corpus/two-banks"
# shellcheck disable=SC2016 # $1 and $2 are the inner shell's
expect "from standard input" 0 "$expected" sh -c '"$1" eventlog replay - <"$2"' sh "$cloister" "$corpus/two-banks"
expect "replay of a CCEL" 0 "sha384" "$cloister" eventlog replay "$corpus/ccel"

# User space's log goes on where the firmware's ends.
printf '\036{"pcr":11,"digests":[{"hashAlg":"sha256","digest":"%064d"}],"content_type":"systemd","content":{"eventType":"phase","string":"enter-initrd"}}\n' 0 >user.log
"$cloister" eventlog replay "$corpus/two-banks" --userspace-log user.log --json >both.json || fail "replay both"
jq -e '.not_replayed.sha1' both.json >/dev/null || fail "a bank that user space has not is not named"
[ "$(jq -r '.pcrs.sha256."11"' both.json)" != "$digest" ] || fail "user space's log changes nothing"

# Held against references: as expected, and changed.
printf '{"cloister_reference":1,"name":"demo","origin":"prediction","events":{"11":[{"type":"EV_IPL","name":"section .linux","text":"x","digests":{"sha256":"%s"}}]},"pcrs":{"sha256":{"11":"%s"}}}' \
    "$(printf 'x' | openssl dgst -sha256 -r | cut -d' ' -f1)" "$digest" >good.json
other=$(printf 'y' | openssl dgst -sha256 -r | cut -d' ' -f1)
printf '{"cloister_reference":1,"name":"demo","origin":"prediction","events":{"11":[{"type":"EV_IPL","name":"section .linux","text":"y","digests":{"sha256":"%s"}}]},"pcrs":{"sha256":{"11":"%s"}}}' \
    "$other" "$( { head -c 32 /dev/zero; printf 'y' | openssl dgst -sha256 -binary; } | openssl dgst -sha256 -r | cut -d' ' -f1)" >bad.json
expect "explain, as expected" 0 "as expected" "$cloister" eventlog explain "$corpus/two-banks" --reference good.json
expect "explain, changed" 1 'expected "y"' "$cloister" eventlog explain "$corpus/two-banks" --reference bad.json
expect "explain, the first reference counts" 0 "as expected" "$cloister" eventlog explain "$corpus/two-banks" --reference good.json --reference bad.json
"$cloister" eventlog explain "$corpus/two-banks" --reference bad.json --json >explain.json
[ "$(jq -r '.. | .pcr? // empty' explain.json | head -n 1)" = 11 ] || fail "explain --json does not name the PCR: $(cat explain.json)"

# What is not taken.
head -c 200 "$corpus/two-banks" >cut.log
printf 'this is a text and no log at all, whatever its name is' >text
: >empty
mkdir folder
for verb in show replay; do
    expect "$verb: cut" 3 "truncated" "$cloister" eventlog "$verb" cut.log
    expect "$verb: text" 3 "text: " "$cloister" eventlog "$verb" text
    expect "$verb: empty" 3 "empty: " "$cloister" eventlog "$verb" empty
    expect "$verb: a folder" 3 "folder" "$cloister" eventlog "$verb" folder
    expect "$verb: absent" 3 "No such file" "$cloister" eventlog "$verb" none
    expect "$verb: no log named" 2 "" "$cloister" eventlog "$verb"
done
expect "explain without a reference" 2 "--reference" "$cloister" eventlog explain "$corpus/two-banks"
expect "reference is text" 3 "text" "$cloister" eventlog explain "$corpus/two-banks" --reference text
expect "bank that it has not" 3 "sha384" "$cloister" eventlog explain "$corpus/two-banks" --reference good.json --bank sha384
expect "no such bank" 2 "md5" "$cloister" eventlog explain "$corpus/two-banks" --reference good.json --bank md5
head -c 50 user.log >cut-user.log
expect "user space's log is cut" 3 "cut short" "$cloister" eventlog replay "$corpus/two-banks" --userspace-log cut-user.log
if [ "$(id -u)" != 0 ]; then
    cp "$corpus/two-banks" unreadable
    chmod 000 unreadable
    expect "unreadable" 3 "Permission denied" "$cloister" eventlog show unreadable
fi
exit "$failed"
