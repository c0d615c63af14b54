#!/bin/sh
# A TDX guest's registers: predicted, taken from a log, and told why not; logs explained by them; what is not taken.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
corpus=$CLOISTER_TESTS/../fuzz/corpus
firmware=$corpus/tdvf/good
cd "$work" || exit 4
skip_without jq

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
expect "as measure snp calls it" 0 "$expected  single-pass" "$cloister" measure tdx --ovmf "$firmware"
expect "as text" 0 "$expected  single-pass" "$cloister" measure tdx --firmware "$firmware"
expect "as text, what is missing" 0 "rtmr0  not predicted: the memory's size" "$cloister" measure tdx --firmware "$firmware"
for order in single two; do
    "$cloister" measure tdx --firmware "$firmware" --page-order $order --json >order.json || fail "--page-order $order"
    [ "$(jq -r .mr_td_by_page_order order.json)" = null ] || fail "--page-order $order gives two"
done

# RTMR 2 of a UKI, by hand: names and contents of its sections, then what the kernel was handed.
make_kernel vmlinuz
printf 'an initrd' >initrd
"$cloister" uki build --kernel vmlinuz --initrd initrd --cmdline quiet --stub "$corpus/pe/stub" --output demo.efi >/dev/null || fail "build"
# extend REGISTER < DATA: REGISTER becomes SHA-384(REGISTER || SHA-384(DATA)).
extend() { { cat "$1"; openssl dgst -sha384 -binary; } | openssl dgst -sha384 -binary >"$1.new" && mv "$1.new" "$1"; }
head -c 48 /dev/zero >rtmr2
printf '.linux\000' | extend rtmr2
extend rtmr2 <vmlinuz
printf '.cmdline\000' | extend rtmr2
printf 'quiet' | extend rtmr2
printf '.initrd\000' | extend rtmr2
extend rtmr2 <initrd
printf '.uname\000' | extend rtmr2
printf '6.12.0-test' | extend rtmr2
printf 'q\000u\000i\000e\000t\000\000\000' | extend rtmr2
extend rtmr2 <initrd
"$cloister" measure tdx --uki demo.efi --json >uki.json || fail "measure tdx --uki"
[ "$(jq -r .rtmr2 uki.json)" = "$(od -An -tx1 -v rtmr2 | tr -d ' \n')" ] || fail "RTMR 2 of a UKI is $(jq -r .rtmr2 uki.json)"
[ "$(jq -r '[.events.rtmr2[].given] | unique | map(. // "predicted") | join(" ")' uki.json)" = predicted ] || fail "RTMR 2: not all of it is predicted"
expect "a UKI without its disk" 0 "rtmr1  not predicted: the partition table" "$cloister" measure tdx --uki demo.efi
# A kernel that QEMU starts: as the file is, its digest is that of the file's Authenticode, which memory does not move.
put() { printf '%b' "$2" | dd of=bzimage bs=1 seek=$(($1)) conv=notrunc 2>/dev/null; }
cp "$corpus/pe/stub" bzimage
put 0x1f1 '\003'
put 0x202 'HdrS\017\002'
put 0x211 '\001'
put 0x236 '\177'
for memory in 2G 2047M; do
    "$cloister" measure tdx --kernel bzimage --memory $memory --initrd initrd --append quiet --json >"direct-$memory.json" || fail "direct boot, $memory"
    "$cloister" measure tdx --kernel bzimage --kernel-header file --initrd initrd --append quiet --json >"file-$memory.json" || fail "direct boot, file"
done
[ "$(jq -r .rtmr1 direct-2G.json)" != "$(jq -r .rtmr1 direct-2047M.json)" ] || fail "QEMU's header does not depend on the memory"
[ "$(jq -r .rtmr1 file-2G.json)" = "$(jq -r .rtmr1 file-2047M.json)" ] || fail "the file depends on the memory"
head -c 48 /dev/zero >direct2
printf 'quiet initrd=initrd\000' | sed 's/./&\x00/g' | extend direct2
extend direct2 <initrd
[ "$(jq -r .rtmr2 direct-2G.json)" = "$(od -An -tx1 -v direct2 | tr -d ' \n')" ] || fail "RTMR 2 of a direct boot is $(jq -r .rtmr2 direct-2G.json)"

# The initrd lies below 0x80000000 - 0x28000 at a page: its address is 0x7ffd7000.
cp bzimage patched
expect_bytes() { [ "$(od -An -tx1 -j "$(($1))" -N "$2" patched | tr -d ' \n')" = "$3" ] || fail "the test's own header at $1"; }
put_patched() { printf '%b' "$2" | dd of=patched bs=1 seek=$(($1)) conv=notrunc 2>/dev/null; }
put_patched 0x210 '\0260\0201'
put_patched 0x218 '\0000\0160\0375\0177\0011\0000\0000\0000'
put_patched 0x224 '\0000\0376'
put_patched 0x228 '\0000\0000\0002\0000'
expect_bytes 0x218 4 0070fd7f
"$cloister" measure tdx --kernel patched --kernel-header file --memory 2G --initrd initrd --append quiet --json >patched.json || fail "patched by hand"
[ "$(jq -r .rtmr1 patched.json)" = "$(jq -r .rtmr1 direct-2G.json)" ] || fail "RTMR 1 of a kernel patched by hand is another one"

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
echo text >text
expect "a text" 3 "text: no TDX metadata" "$cloister" measure tdx --firmware text
expect "operand" 2 "unexpected argument" "$cloister" measure tdx "$firmware"
expect "memory" 2 "--memory 8X" "$cloister" measure tdx --firmware "$firmware" --memory 8X
expect "memory of nothing" 2 "--memory 0" "$cloister" measure tdx --firmware "$firmware" --memory 0
expect "memory too large" 2 "--memory" "$cloister" measure tdx --firmware "$firmware" --memory 99999999999T
expect "page order" 2 "--page-order three" "$cloister" measure tdx --firmware "$firmware" --page-order three
expect "separator" 2 "--separator rtmr2" "$cloister" measure tdx --firmware "$firmware" --separator rtmr2
expect "kernel header" 2 "--kernel-header x" "$cloister" measure tdx --firmware "$firmware" --kernel-header x
expect "initrd alone" 2 "without a kernel" "$cloister" measure tdx --firmware "$firmware" --initrd "$firmware"
expect "no TDX firmware" 3 "not built for TDX" "$cloister" measure tdx --firmware "$log"
expect "damaged metadata" 3 "overlaps section 1" "$cloister" measure tdx --firmware "$corpus/tdvf/overlapping-memory"
expect "log of a TPM" 2 "not a CCEL" "$cloister" measure tdx --given "$corpus/eventlog/two-banks"
expect "absent" 3 "No such file" "$cloister" measure tdx --firmware none
expect "ACPI table in place of the log" 3 "/sys/firmware/acpi/tables/data/CCEL" "$cloister" eventlog replay "$corpus/ccel/table"
expect "damaged ACPI table" 3 "checksum" "$cloister" eventlog show "$corpus/ccel/table-wrong-checksum"
expect "damaged JSON log" 3 '"imr": 4' "$cloister" eventlog show "$corpus/ccel/json-register-4"
exit "$failed"
