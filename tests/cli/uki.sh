#!/bin/sh
# Unified kernel images: built, signed, verified and looked into; the same bytes each time; what is not taken; and what
# sbverify says of our signatures, where it is installed.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
cd "$work" || exit 4

make_kernel vmlinuz
find_stub
printf 'an initrd' >initrd
printf 'ID=test\n' >osrel
"$cloister" secureboot keygen --output keys >/dev/null || fail "keygen"
"$cloister" secureboot keygen --output other >/dev/null || fail "keygen"

build() { "$cloister" uki build --kernel vmlinuz --initrd initrd --cmdline quiet --os-release osrel --stub "$stub" "$@"; }

# Built twice, signed twice: the same bytes.
build --output one.efi >/dev/null || fail "build"
build --output two.efi >/dev/null || fail "build"
cmp -s one.efi two.efi || fail "another UKI the second time"
expect "sign" 0 "" "$cloister" uki sign one.efi --key keys/db.key --cert keys/db.crt --output signed.efi
build --key keys/db.key --cert keys/db.crt --output signed-at-once.efi >/dev/null || fail "build and sign"
cmp -s signed.efi signed-at-once.efi || fail "signing at once gives another image"

# Looked into.
expect "inspect" 0 "quiet" "$cloister" uki inspect signed.efi
expect "inspect" 0 "6.12.0-test" "$cloister" uki inspect signed.efi
"$cloister" uki inspect signed.efi --json >inspect.json || fail "inspect --json"
for section in .osrel .cmdline .uname .initrd .linux; do
    grep -q "\"$section\"" inspect.json || fail "inspect does not name $section"
done

# Verified: by its own key, not by another's, not when a byte has changed.
expect "verify" 0 "" "$cloister" uki verify signed.efi --cert keys/db.crt
expect "verify, one of two" 0 "" "$cloister" uki verify signed.efi --cert other/db.crt --cert keys/db.crt
expect "verify, another's" 1 "no signature" "$cloister" uki verify signed.efi --cert other/db.crt
expect "verify, unsigned" 1 "not signed" "$cloister" uki verify one.efi --cert keys/db.crt
sed 's/quiet/debug/' signed.efi >changed.efi
cmp -s signed.efi changed.efi && fail "the command line is not in the image"
expect "verify, changed" 1 "no signature" "$cloister" uki verify changed.efi --cert keys/db.crt
if command -v sbverify >/dev/null; then
    sbverify --cert keys/db.crt signed.efi >/dev/null 2>&1 || fail "sbverify does not take our signature"
    sbverify --cert other/db.crt signed.efi >/dev/null 2>&1 && fail "sbverify takes another key"
    sbsign --key keys/db.key --cert keys/db.crt --output theirs.efi one.efi >/dev/null 2>&1
    expect "verify what sbsign signed" 0 "" "$cloister" uki verify theirs.efi --cert keys/db.crt
else
    echo "note: sbsigntool is not installed: nobody else has looked at the signatures"
fi

# What is not taken: one line, the right status, and nothing written.
head -c 700 signed.efi >cut.efi
printf 'text' >text
expect "no kernel" 2 "--kernel" "$cloister" uki build --output no.efi
expect "kernel absent" 3 "none" "$cloister" uki build --kernel none --stub "$stub" --output no.efi
expect "kernel is a folder" 3 "keys" "$cloister" uki build --kernel keys --stub "$stub" --output no.efi
expect "stub is text" 3 "MZ" "$cloister" uki build --kernel vmlinuz --stub text --output no.efi
expect "stub is a UKI" 2 "is a whole UKI" "$cloister" uki build --kernel vmlinuz --stub one.efi --output no.efi
expect "key of another certificate" 2 "do not belong together" build --key keys/db.key --cert other/db.crt --output no.efi
expect "certificate is text" 3 "text" build --key keys/db.key --cert text --output no.efi
expect "key is text" 3 "text" build --key text --cert keys/db.crt --output no.efi
expect "unknown hash" 2 "md5" build --key keys/db.key --cert keys/db.crt --hash md5 --output no.efi
expect "sign a text" 3 "MZ" "$cloister" uki sign text --key keys/db.key --cert keys/db.crt --output no.efi
expect "sign a part" 3 "cut.efi" "$cloister" uki sign cut.efi --key keys/db.key --cert keys/db.crt --output no.efi
expect "verify a part" 3 "cut.efi" "$cloister" uki verify cut.efi --cert keys/db.crt
expect "inspect a part" 3 "cut.efi" "$cloister" uki inspect cut.efi
expect "inspect a text" 3 "MZ" "$cloister" uki inspect text
expect "inspect nothing" 3 "No such file" "$cloister" uki inspect none
expect "folder is not there" 4 "none" build --output none/no.efi
[ ! -e no.efi ] || fail "a refused build left a file"

# A file that cannot be written whole keeps its old content.
cp signed.efi kept.efi
(
    ulimit -f 1
    trap '' XFSZ 2>/dev/null
    build --output kept.efi >/dev/null 2>err
) && fail "a file size limit is not an error"
cmp -s signed.efi kept.efi || fail "a failed write left a part"
[ "$(find . -name '*.tmp*' -o -name '.kept*' | wc -l)" = 0 ] || fail "a temporary file is left: $(ls -A)"
exit "$failed"
