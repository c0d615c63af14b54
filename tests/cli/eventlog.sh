#!/bin/sh
# Event logs: shown, replayed, held against reference values; and what is not taken.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
corpus=$CLOISTER_TESTS/../fuzz/corpus/eventlog
cd "$work" || exit 4
skip_without jq

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

# A log that is cut in an event: what is whole is shown, what is not is told.
head -c "$(($(wc -c <"$corpus/two-banks") - 1))" "$corpus/two-banks" >log.cut
expect "shown as far as it is whole" 3 "truncated at byte" "$cloister" eventlog show log.cut
expect "and its events" 3 "SecureBoot: 1" "$cloister" eventlog show log.cut
"$cloister" eventlog show log.cut --json >cut.json 2>/dev/null && fail "a log that is cut is said to be whole"
[ "$(jq '.events | length' cut.json)" = $(($(jq '.events | length' show.json) - 1)) ] || fail "not all but the last event: $(jq '.events | length' cut.json)"
expect "it is not replayed" 3 "truncated at byte" "$cloister" eventlog replay log.cut

# User space's log goes on where the firmware's ends.
printf '\036{"pcr":11,"digests":[{"hashAlg":"sha256","digest":"%064d"}],"content_type":"systemd","content":{"eventType":"phase","string":"enter-initrd"}}\n' 0 >user.log
"$cloister" eventlog replay "$corpus/two-banks" --userspace-log user.log --json >both.json || fail "replay both"
expect "user space's alone" 3 "is a log of user space (tpm2-measure.log, cc-measure.log): it goes on where the firmware's ends, as --userspace-log" "$cloister" eventlog replay user.log
jq -e '.not_replayed.sha1' both.json >/dev/null || fail "a bank that user space has not is not named"
[ "$(jq -r '.pcrs.sha256."11"' both.json)" != "$digest" ] || fail "user space's log changes nothing"

# Records of registers that are not PCRs (systemd 259 and later) extend none; they are told, and nothing is lost for them.
{
    cat user.log
    printf '\036{"nv_index":30474752,"digests":[{"hashAlg":"sha256","digest":"%064d"},{"hashAlg":"sha384","digest":"%096d"}],"content_type":"systemd","content":{"nvIndexName":"hardware","string":"hello","eventType":"phase"}}\n' 0 0
    printf '\036{"rtmr":2,"mapped_pcr":11,"digests":[{"hashAlg":"sha384","digest":"%096d"}],"content_type":"systemd","content":{"string":"to RTMR 2"}}\n' 0
    printf '\036{"a_register_of_2030":1,"digests":[]}\n'
} >more.log
"$cloister" eventlog replay "$corpus/two-banks" --userspace-log more.log --json >more.json || fail "replay with other registers"
[ "$(jq -c .pcrs.sha256 more.json)" = "$(jq -c .pcrs.sha256 both.json)" ] || fail "records of other registers changed the PCRs"
[ "$(jq -r '[.passed_over[] | .register] | join("; ")' more.json)" = "NV index 0x01d10200 (hardware); RTMR 2; a register of a kind that is not known" ] || fail "not told: $(jq -c .passed_over more.json)"
expect "told as text" 0 "passed over: record 1 of user space, of NV index 0x01d10200 (hardware): hello" "$cloister" eventlog replay "$corpus/two-banks" --userspace-log more.log
expect "and what is left out" 0 "record 2 of user space is left out: it is of RTMR 2" "$cloister" eventlog convert "$corpus/two-banks" --userspace-log more.log --output more.cel
[ "$(jq -c '[.[] | select(.nv_index) | [.nv_index, .digests[0].hashAlg]]' more.cel)" = '[[30474752,"sha256"]]' ] || fail "no nv_index: $(cat more.cel)"
"$cloister" eventlog replay more.cel --json >back.json || fail "replay of the canonical form"
[ "$(jq -c .pcrs.sha256 back.json)" = "$(jq -c .pcrs.sha256 both.json)" ] || fail "the canonical form leads elsewhere"
"$cloister" eventlog convert "$corpus/two-banks" --userspace-log more.log --to cel-cbor --output more.cbor 2>/dev/null || fail "CBOR"
[ "$("$cloister" eventlog replay more.cbor --json | jq -c .pcrs.sha256)" = "$(jq -c .pcrs.sha256 both.json)" ] || fail "CBOR leads elsewhere"
# Of a TD's log, those of RTMRs count, and the others are passed over.
"$cloister" eventlog replay "$corpus/ccel" --json >td.json || fail "replay of a CCEL"
"$cloister" eventlog replay "$corpus/ccel" --userspace-log more.log --json >td-more.json || fail "replay of a CCEL with user space's"
[ "$(jq -c '[.rtmrs.sha384 | .["0"], .["1"], .["3"]]' td.json)" = "$(jq -c '[.rtmrs.sha384 | .["0"], .["1"], .["3"]]' td-more.json)" ] || fail "other RTMRs changed"
[ "$(jq -r '.rtmrs.sha384."2"' td.json)" != "$(jq -r '.rtmrs.sha384."2"' td-more.json)" ] || fail "RTMR 2 did not change"
[ "$(jq '.passed_over | length' td-more.json)" = 3 ] || fail "passed over: $(jq -c .passed_over td-more.json)"

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

# Two logs against each other: the same, one event other, one event more.
cp "$corpus/two-banks" same.log
expect "against itself" 0 "registers as expected" "$cloister" eventlog explain "$corpus/two-banks" --other-log same.log
expect "against another" 1 "PCR 11" "$cloister" eventlog explain "$corpus/two-banks" --other-log "$corpus/sha1" --bank sha1
expect "in the bank that both have" 1 "PCR 11" "$cloister" eventlog explain "$corpus/two-banks" --other-log "$corpus/sha1"
printf 'this is a text and no log at all, whatever its name is' >text.log
expect "against what is not a log" 3 "text.log: " "$cloister" eventlog explain "$corpus/two-banks" --other-log text.log

# Field by field, and what is out of the ordinary.
expect "fields" 0 "SecureBoot" "$cloister" eventlog show "$corpus/two-banks" --fields
jq -e '[.events[].fields[] | has("covered")] | all' show.json >/dev/null || fail "a field does not say whether it is covered"
jq -e '.oddities | length > 0' show.json >/dev/null || fail "nothing out of the ordinary is named"
expect "oddities" 0 "SHA-1 alone" "$cloister" eventlog show "$corpus/sha1"

# The canonical form, both encodings, and back: the same bytes, the same registers.
for form in cel-json cel-cbor; do
    expect "to $form" 0 "" "$cloister" eventlog convert "$corpus/two-banks" --to "$form" --output "log.$form"
    "$cloister" eventlog replay "log.$form" --json | jq -e --slurpfile is replay.json '.pcrs == $is[0].pcrs' >/dev/null || fail "$form: other registers"
    expect "back from $form" 0 "" "$cloister" eventlog convert "log.$form" --to tcg --output back.log
    cmp -s back.log "$corpus/two-banks" || fail "$form: comes back as other bytes"
done
jq -e '.[0].content_type == "pcclient_std"' log.cel-json >/dev/null || fail "cel-json: content type"
expect "to no form" 2 "none of tcg" "$cloister" eventlog convert "$corpus/two-banks" --to yaml --output x
expect "convert without output" 2 "--output" "$cloister" eventlog convert "$corpus/two-banks"
cp "$corpus/two-banks" own.log
expect "converted over itself" 2 "is what is read" "$cloister" eventlog convert own.log --output own.log
cmp -s "$corpus/two-banks" own.log || fail "a refused conversion changed its log"
head -c 300 log.cel-cbor >cut.cbor
expect "cut CBOR" 3 "malformed at byte" "$cloister" eventlog replay cut.cbor
[ ! -e x ] || fail "a refused conversion leaves a file"

# IMA's list: alone, and after the firmware's log.
ima=$CLOISTER_TESTS/../fuzz/corpus/ima
expect "IMA, shown" 0 "/bin/sh" "$cloister" eventlog show "$ima/two-entries"
expect "IMA, shown as JSON" 0 '"file": "/bin/sh"' "$cloister" eventlog show "$ima/two-entries" --json
expect "IMA, a violation" 0 "VIOLATION" "$cloister" eventlog show "$ima/violation"
alone=$("$cloister" eventlog replay "$ima/two-entries" --json | jq -r '.pcrs.sha256."10"')
[ "$("$cloister" eventlog replay "$corpus/two-banks" --ima-log "$ima/two-entries" --json | jq -r '.pcrs.sha256."10"')" = "$alone" ] || fail "IMA after the firmware's log: another PCR 10"
[ "$("$cloister" eventlog replay "$ima/two-entries" --ima-padded --json | jq -r '.pcrs.sha256."10"')" != "$alone" ] || fail "--ima-padded changes nothing"
expect "padded without IMA" 2 "there is no IMA list" "$cloister" eventlog replay "$corpus/two-banks" --ima-padded
expect "IMA after IMA" 2 "replayed alone" "$cloister" eventlog replay "$ima/two-entries" --ima-log "$ima/two-entries"
"$cloister" eventlog convert "$corpus/two-banks" --ima-log "$ima/two-entries" --userspace-log user.log --output all.json || fail "convert all three"
[ "$(jq -r '[.[].content_type] | unique | join(" ")' all.json)" = "ima_template pcclient_std systemd" ] || fail "not all three kinds are in the canonical log"
[ "$("$cloister" eventlog replay all.json --json | jq -r '.pcrs.sha256."10"')" = "$alone" ] || fail "canonical: another PCR 10"

# A form without a Spec ID event has no event more when it is read.
printf '[{"imr":0,"event_type":4,"digest":"%096d","event":"","event_payload":"00000000"}]' 0 >one.json
[ "$("$cloister" eventlog replay one.json --json | jq .events)" = 1 ] || fail "one event became more: $("$cloister" eventlog show one.json)"
expect "one event to the canonical form" 0 "" "$cloister" eventlog convert one.json --output one.cel
[ "$(jq length one.cel)" = 1 ] || fail "one event became more in the canonical form: $(cat one.cel)"
[ "$("$cloister" eventlog show one.cel --json | jq '.events | length')" = 1 ] || fail "one event became more on its way back"
expect "one event to the binary form" 0 "" "$cloister" eventlog convert one.json --to tcg --output one.log
"$cloister" eventlog replay one.log --json | jq -e '.rtmrs.sha384["0"] != ("0" * 96)' >/dev/null || fail "the binary form does not replay"

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
