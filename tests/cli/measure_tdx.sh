#!/bin/sh
# A TDX guest's registers: predicted, taken from a log, and told why not; logs explained by them; what is not taken.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
corpus=$CLOISTER_TESTS/../fuzz/corpus
firmware=$corpus/tdvf/good
cd "$work" || exit 4
command -v jq >/dev/null || skip "jq is not installed"

# MRTD of an image of one page of code, by hand: the page, its 16 pieces, then 8 pages of memory.
record() { printf '%s' "$1"; head -c $((16 - ${#1})) /dev/zero; printf '%b' "$2"; head -c 104 /dev/zero; }
address() { for shift in 0 8 16 24 32 40 48 56; do printf '\\0%03o' $(($1 >> shift & 255)); done; }
mrtd() {
    record MEM.PAGE.ADD "$(address 0xfffff000)"
    i=0
    while [ $i -lt 16 ]; do
        record MR.EXTEND "$(address $((0xfffff000 + i * 256)))"
        head -c $((i * 256 + 256)) "$firmware" | tail -c 256
        i=$((i + 1))
    done
    for page in 0x809000 0x80a000 0x800000 0x801000 0x802000 0x803000 0x804000 0x805000; do record MEM.PAGE.ADD "$(address $page)"; done
}
expected=$(mrtd | openssl dgst -sha384 -r | cut -d' ' -f1)
"$cloister" measure tdx --firmware "$firmware" --json >one.json || fail "measure tdx"
[ "$(jq -r .mr_td one.json)" = "$expected" ] || fail "MRTD is $(jq -r .mr_td one.json), not $expected"
[ "$(jq -r '.mr_td_by_page_order | keys | join(" ")' one.json)" = "single-pass two-pass" ] || fail "not both page orders: $(jq -c . one.json)"
[ "$(jq -r .rtmr3 one.json)" = "$(printf '%096d' 0)" ] || fail "RTMR 3 is not zero"
[ "$(jq -r '.not_predicted | keys | join(" ")' one.json)" = "rtmr0 rtmr1 rtmr2" ] || fail "what is not predicted: $(jq -c .not_predicted one.json)"
expect "as text" 0 "$expected  single-pass" "$cloister" measure tdx --firmware "$firmware"
expect "as text, what is missing" 0 "rtmr0  not predicted: the memory's size" "$cloister" measure tdx --firmware "$firmware"
for order in single two; do
    "$cloister" measure tdx --firmware "$firmware" --page-order $order --json >order.json || fail "--page-order $order"
    [ "$(jq -r .mr_td_by_page_order order.json)" = null ] || fail "--page-order $order gives two"
done

# Of a log alone everything is given, and the log agrees with it.
log=$corpus/eventlog/ccel
"$cloister" measure tdx --given "$log" --json --output given.ref.json >given.json || fail "--given"
"$cloister" eventlog replay "$log" --json >replay.json || fail "replay"
for n in 0 1 2; do
    [ "$(jq -r ".rtmr$n" given.json)" = "$(jq -r ".rtmrs.sha384.\"$n\"" replay.json)" ] || fail "RTMR $n is not what the log leads to"
done
expect "explain, what user space measured" 1 "RTMR 3: unexpected event" "$cloister" eventlog explain "$log" --reference given.ref.json
expect "explain, by another log" 0 "RTMR 0: as expected" "$cloister" eventlog explain "$log" --other-log "$log"
printf '[{"imr":2,"event_type":6,"digest":"%096d","event":"","event_payload":"ec223b8f0d0000004c696e757820696e6974726400"}]' 1 >other.json
printf '[{"imr":2,"event_type":6,"digest":"%096d","event":"","event_payload":"ec223b8f0d0000004c696e757820696e6974726400"}]' 2 >changed.json
expect "explain, changed" 1 "another command line or initrd" "$cloister" eventlog explain changed.json --other-log other.json
"$cloister" eventlog explain changed.json --other-log other.json --json >explain.json
[ "$(jq -r '.rtmrs[2] | [.rtmr, .difference, .logged.type, .logged.text, .expected.digest[-1:], .logged.digest[-1:]] | join(" ")' explain.json)" = \
    "2 changed EV_EVENT_TAG kernel's initrd 1 2" ] || fail "explain --json: $(jq -c '.rtmrs[2]' explain.json)"

# A real quote, held against its log's registers: as expected, and with one that is another.
guest=${CLOISTER_VECTORS:-none}/tdx-eventlog/gce-cos-113-with-quote
if [ -d "$guest" ]; then
    "$cloister" measure tdx --given "$guest/ccel_data.bin" --output gce.ref.json >/dev/null || fail "--given, a real log"
    set -- --without tcb --at 2024-09-01T00:00:00Z --ccel "$guest/ccel_data.bin"
    expect "verify with a reference" 0 "RTMR 1: as in" "$cloister" verify tdx "$guest/quote.bin" "$@" --reference gce.ref.json
    jq '.tdx.rtmr1 = .tdx.rtmr3 | del(.events.rtmr1)' gce.ref.json >bad.ref.json
    expect "verify with another reference" 1 "RTMR 1: " "$cloister" verify tdx "$guest/quote.bin" "$@" --reference bad.ref.json
else
    echo "no vectors: no real quote was tried"
fi

# What is not taken.
expect "nothing" 2 "--firmware" "$cloister" measure tdx
expect "operand" 2 "operand" "$cloister" measure tdx "$firmware"
expect "memory" 2 "--memory 8X" "$cloister" measure tdx --firmware "$firmware" --memory 8X
expect "memory of nothing" 2 "--memory 0" "$cloister" measure tdx --firmware "$firmware" --memory 0
expect "memory too large" 2 "--memory" "$cloister" measure tdx --firmware "$firmware" --memory 99999999999T
expect "page order" 2 "--page-order three" "$cloister" measure tdx --firmware "$firmware" --page-order three
expect "separator" 2 "--separator rtmr2" "$cloister" measure tdx --firmware "$firmware" --separator rtmr2
expect "kernel header" 2 "--kernel-header x" "$cloister" measure tdx --firmware "$firmware" --kernel-header x
expect "initrd alone" 2 "without a kernel" "$cloister" measure tdx --firmware "$firmware" --initrd "$firmware"
expect "no TDX firmware" 3 "not built for TDX" "$cloister" measure tdx --firmware "$log"
expect "damaged metadata" 3 "overlaps section 1" "$cloister" measure tdx --firmware "$corpus/tdvf/overlapping-memory"
expect "log of a TPM" 2 "no CCEL" "$cloister" measure tdx --given "$corpus/eventlog/two-banks"
expect "absent" 3 "No such file" "$cloister" measure tdx --firmware none
expect "ACPI table in place of the log" 3 "/sys/firmware/acpi/tables/data/CCEL" "$cloister" eventlog replay "$corpus/ccel/table"
expect "damaged ACPI table" 3 "checksum" "$cloister" eventlog show "$corpus/ccel/table-wrong-checksum"
expect "damaged JSON log" 3 '"imr": 4' "$cloister" eventlog show "$corpus/ccel/json-register-4"
exit "$failed"
