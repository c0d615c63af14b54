#!/bin/sh
# Event logs of the field, all that the vectors have: `eventlog replay` and `show` against what their manifests expect.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 4
skip_without jq
vectors=${CLOISTER_VECTORS:-none}
if [ ! -r "$vectors/tpm/MANIFEST.json" ] || [ ! -r "$vectors/tdx-eventlog/MANIFEST.json" ]; then
    skip "no event logs here"
fi

tried=0
for family in tpm tdx-eventlog; do
    manifest=$vectors/$family/MANIFEST.json
    # One line a case: its name, its log.
    jq -r '.cases[] | select(.expected.event_count != null)
        | [.id, ([.files[].file | select(test("\\.bin$|log\\.json$") and (test("/quote[^/]*$") | not))][0])] | @tsv' "$manifest" >cases
    while read -r name log; do
        log=$vectors/$family/$log
        # shellcheck disable=SC2016 # $name is jq's
        jq --arg name "$name" '.cases[] | select(.id == $name) | .expected' "$manifest" >expected.json
        # No hash that we make: shown, not replayed.
        if jq -e '.algorithms == ["sm3_256"]' expected.json >/dev/null; then
            expect "$name: replay" 3 "its digests are sm3_256" "$cloister" eventlog replay "$log"
            # It is carried through the canonical form all the same.
            expect "$name: convert" 0 "" "$cloister" eventlog convert "$log" --output sm3.json
            "$cloister" eventlog show "$log" --json | jq .events >events.json
            "$cloister" eventlog show sm3.json --json | jq .events | cmp -s - events.json || fail "$name: other events in the canonical form"
            "$cloister" eventlog convert sm3.json --to tcg --output sm3.log
            cmp -s -n "$(wc -c <sm3.log)" sm3.log "$log" || fail "$name: comes back as other bytes"
        else
            "$cloister" eventlog replay "$log" --json >replay.json || fail "$name: replay"
            # Every register that is expected, and as many events; where the manifest says only what an RTMR is, all four.
            # shellcheck disable=SC2016 # $expected and $values are jq's
            jq -e --slurpfile expected expected.json '. as $values | $expected[0]
                | ($values.events == .event_count)
                and all((.pcrs // {}) | to_entries[]; .key as $bank | all(.value | to_entries[]; $values.pcrs[$bank][.key] == .value))
                and all((.rtmr // .rtmr_replayed // []) | to_entries[]; $values.rtmrs.sha384[.key | tostring] == .value)' \
                replay.json >/dev/null || fail "$name: replayed to $(cat replay.json), expected $(cat expected.json)"
        fi
        "$cloister" eventlog show "$log" --json >show.json || fail "$name: show"
        # shellcheck disable=SC2016 # $expected is jq's
        jq -e --slurpfile expected expected.json '(.events | length) == $expected[0].event_count
            and ($expected[0].algorithms == null or .algorithms == $expected[0].algorithms)
            and ($expected[0].startup_locality == null or .startup_locality == $expected[0].startup_locality)
            and ($expected[0].padding_bytes == null or .padding == $expected[0].padding_bytes)' \
            show.json >/dev/null || fail "$name: show has $(jq -c 'del(.events)' show.json), expected $(cat expected.json)"
        # Lines that a person can read: a dbx has hundreds of entries.
        "$cloister" eventlog show "$log" --fields | awk 'length($0) > 1000 { print; exit 1 }' >long || fail "$name: a line of $(wc -c <long) bytes"
        tried=$((tried + 1))
    done <cases
done
[ "$tried" -ge 38 ] || fail "only $tried cases were tried"

# What is not a log, or half of one.
expect "an empty log" 3 "event 0: truncated at byte 0" "$cloister" eventlog replay "$vectors/tpm/neg-keylime-empty/eventlog.bin"
expect "a log cut short" 3 "event 40: truncated" "$cloister" eventlog replay "$vectors/tpm/truncated-cos-101/eventlog.bin"
exit "$failed"
