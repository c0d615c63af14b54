#!/bin/sh
# Predictions of a UKI: against the rule itself, worked out with openssl; and what is not taken.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
cd "$work" || exit 4
skip_without jq
make_kernel vmlinuz
printf 'an initrd' >initrd
stub=$CLOISTER_TESTS/../fuzz/corpus/pe/stub # of version 257, whatever is installed
"$cloister" uki build --kernel vmlinuz --initrd initrd --cmdline quiet --stub "$stub" --output demo.efi >/dev/null || fail "build"

# extend REGISTER < DATA: REGISTER becomes SHA-256(REGISTER || SHA-256(DATA)).
extend() { { cat "$1"; openssl dgst -sha256 -binary; } | openssl dgst -sha256 -binary >"$1.new" && mv "$1.new" "$1"; }

head -c 32 /dev/zero >pcr11
printf '.linux\000' | extend pcr11
extend pcr11 <vmlinuz
printf '.cmdline\000' | extend pcr11
printf 'quiet' | extend pcr11
printf '.initrd\000' | extend pcr11
extend pcr11 <initrd
printf '.uname\000' | extend pcr11
printf '6.12.0-test' | extend pcr11
printf 'enter-initrd' | extend pcr11
"$cloister" measure uki demo.efi --json >measured.json || fail "measure uki"
value=$(jq -r '.pcrs.sha256."11"."enter-initrd"' measured.json)
[ "$value" = "$(xxd -p -c 64 pcr11 2>/dev/null || od -An -tx1 -v pcr11 | tr -d ' \n')" ] || fail "PCR 11 is $value"
expect "as text" 0 "$value" "$cloister" measure uki demo.efi
"$cloister" measure uki demo.efi --bank sha256 --bank sha384 --bank sha1 --json >banks.json || fail "three banks"
[ "$(jq -r '.pcrs | keys | join(" ")' banks.json)" = "sha1 sha256 sha384" ] || fail "three banks: $(jq -c '.pcrs | keys' banks.json)"
[ "$(jq -r '.pcrs.sha256."11"."enter-initrd"' banks.json)" = "$value" ] || fail "a bank changes another"
expect "to a file" 0 "" "$cloister" measure uki demo.efi --output demo.ref.json
[ "$(jq -r '.pcrs.sha256."11"."enter-initrd"' demo.ref.json)" = "$value" ] || fail "the file says otherwise"
# Another command line moves PCRs 4, 9 and 11, and nothing else.
"$cloister" uki build --kernel vmlinuz --initrd initrd --cmdline debug --stub "$stub" --output other.efi >/dev/null || fail "build"
"$cloister" measure uki other.efi --json >other.json || fail "measure another"
moved=$(jq -rn --slurpfile a measured.json --slurpfile b other.json '[$a[0].pcrs.sha256 | to_entries[] | select(.value != $b[0].pcrs.sha256[.key]) | .key | tonumber] | sort | join(" ")')
[ "$moved" = "4 9 11" ] || fail "another command line moves PCRs $moved"

# An add-on for another kernel is measured and has no effect: that is said.
"$cloister" uki build --addon --stub "$stub" --cmdline more --uname 9.9.9 --output wrong.addon.efi || fail "an add-on"
"$cloister" uki build --addon --stub "$stub" --cmdline more --uname 6.12.0-test --output right.addon.efi || fail "an add-on"
expect "an add-on for another kernel" 0 "wrong.addon.efi: its .uname is another kernel's" "$cloister" measure uki demo.efi --companion wrong.addon.efi
"$cloister" measure uki demo.efi --companion right.addon.efi >/dev/null 2>warnings || fail "an add-on for this one"
[ ! -s warnings ] || fail "a warning of an add-on for this kernel: $(cat warnings)"

# What is not taken.
printf 'text' >text
head -c 900 demo.efi >cut.efi
expect "text" 3 "MZ" "$cloister" measure uki text
expect "cut" 3 "cut.efi" "$cloister" measure uki cut.efi
expect "absent" 3 "No such file" "$cloister" measure uki none
expect "no such bank" 2 "md5" "$cloister" measure uki demo.efi --bank md5
expect "variables are text" 3 "text" "$cloister" measure uki demo.efi --varstore text
expect "an image that is a UKI" 3 "demo.efi" "$cloister" measure image demo.efi --varstore text
expect "no image" 2 "" "$cloister" measure image --varstore text
"$cloister" uki build --kernel vmlinuz --stub "$stub" --output bare.efi >/dev/null || fail "build"
expect "no command line: its host chooses" 3 "has no .cmdline" "$cloister" measure uki bare.efi
exit "$failed"
