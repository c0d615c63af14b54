#!/bin/bash
# UKIs, with ukify of a newer systemd than this release may have: sim/lab.sh fetches it (./check does, before the tests).
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/interop_lib.sh
. "$(dirname "$0")/interop_lib.sh"
cache=${LAB_CACHE:-$CLOISTER_TESTS/../build/lab/cache}
ukify=$cache/ukify stub=$cache/ukify-stub.efi
[ -r "$ukify" ] || skip "ukify is not in this release, and was not fetched: . sim/lab.sh && lab_fetch_ukify"
cd "$work" || exit 4
need jq objcopy /usr/bin/python3
ukify() { /usr/bin/python3 "$ukify" "$@"; }
version=$(ukify --version | sed 's/ukify \([0-9]*\).*/\1/')
# An EFI image; nothing starts it here. Without .sbat, of which we take the lines of the kernel, too.
objcopy --remove-section .sbat "$stub" vmlinuz 2>/dev/null || fail "objcopy"
head -c 100000 /dev/urandom >initrd
printf 'ID=test\nVERSION_ID=1\n' >osrel
printf 'quiet \303\251\n  x=1' >cmdline

ukify build --linux=vmlinuz --initrd=initrd --cmdline=@cmdline --os-release=@osrel --uname=6.12.0 --stub="$stub" --output=theirs.efi >ukify.log 2>&1 ||
    fail "ukify build: $(tail -n 1 ukify.log)"
"$cloister" uki build --kernel vmlinuz --initrd initrd --cmdline @cmdline --os-release osrel --uname 6.12.0 --stub "$stub" --output ours.efi || fail "build"

# Each inspects the other's, and they see the same sections.
ukify inspect ours.efi --json=short >seen.json || fail "ukify inspect"
"$cloister" uki inspect ours.efi --json >own.json || fail "inspect"
for section in .linux .initrd .osrel .cmdline .uname .sbat; do
    theirs=$(jq -r --arg name $section '.[$name].sha256' seen.json)
    own=$(jq -r --arg name $section '.sections[] | select(.name == $name).sha256' own.json)
    [ "$theirs" = "${own:-absent}" ] || fail "$section: ukify sees $theirs, we $own"
done
held UKI "ukify inspect" "$version" "reads ours"
"$cloister" uki inspect theirs.efi --json >made.json || fail "inspect of ukify's"
[ "$(jq -c '[.sections[] | select(.name | test("linux|initrd|osrel|cmdline|uname")) | [.name, .sha256]] | sort' made.json)" = \
    "$(jq -c '[.sections[] | select(.name | test("linux|initrd|osrel|cmdline|uname")) | [.name, .sha256]] | sort' own.json)" ] || fail "ukify puts other sections in"
[ "$("$cloister" uki policy theirs.efi --json | jq -c .profiles)" = "$("$cloister" uki policy ours.efi --json | jq -c .profiles)" ] || fail "PCR 11 of ukify's is another"
held UKI "ukify build" "$version" "ours reads its"
held "PCR 11 of a UKI" "ukify build" "$version" equal
exit "$failed"
