#!/bin/sh
# Roots that nothing changes: what veritysetup and openssl say of the hash tree and its signature, where the root hash is measured, and
# what does not go together.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
# shellcheck source=tests/cli/convert_lib.sh
. "$(dirname "$0")/convert_lib.sh"
init=$small_init
cd "$work" || exit 4
PATH=$PATH:/sbin:/usr/sbin
export TMPDIR="$work"
skip_without mke2fs jq debugfs e2fsck cryptsetup veritysetup openssl python3 tar
make_image_inputs
# The time comes into a file system that is made.
export SOURCE_DATE_EPOCH=1700000000
make_distribution
mv distribution.boot/vmlinuz-6.12.0-test distribution/boot/

# convert INPUT IMAGE [OPTION]…
# shellcheck disable=SC2317 # expect calls it
convert() {
    input=$1 image=$2
    shift 2
    "$cloister" image convert "$input" "$image" --stub "$stub" --key keys/db.key --cert keys/db.crt --varstore vars.fd \
        --disk-key disk.key --reuse-disk-key test --broker https://10.0.2.2:8443 --broker-key broker.pem --init "$init" "$@"
}
# plain IMAGE: its volume, as the guest opens it.
plain() {
    open_root "$1" disk.key plain.img
}

expect "a folder" 0 "root hash" convert distribution demo.img --verity --seed 11111111-2222-4333-8444-555555555555
hash=$(sed -n 's/^root hash  //p' out)
[ ${#hash} = 64 ] || fail "no root hash: $(cat out)"
plain demo.img
tree_at=$(sed -n 's/^hash tree  from byte \([0-9]*\) .*/\1/p' out)
data=$((tree_at / 4096))
check() { veritysetup verify "$1" "$1" "$2" --hash-offset="$tree_at"; }
expect "veritysetup verifies it" 0 "" check plain.img "$hash"
expect "veritysetup reads the superblock" 0 "UUID:" veritysetup dump plain.img --hash-offset="$tree_at"
grep -q "^Data blocks:[[:space:]]*$data\$" out || fail "data blocks, $data expected: $(cat out)"
expect "another root hash" 1 "Verification of root hash failed" check plain.img "$(echo "$hash" | tr 0123456789abcdef 123456789abcdef0)"
e2fsck -fn plain.img >e2fsck.log 2>&1 || fail "e2fsck: $(cat e2fsck.log)"
in_root plain.img 'cat etc/fstab' | grep -v '^#' | grep -q ' / ' && fail "fstab mounts a root: $(in_root plain.img 'cat etc/fstab')"
# One bit of the data, and one of the tree.
for at in $((tree_at / 2)) $((tree_at + 4096 * 3)); do
    cp --sparse=always plain.img changed.img
    python3 - changed.img "$at" <<'EOP'
import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(int(sys.argv[2]))
    byte = f.read(1)[0]
    f.seek(-1, 1)
    f.write(bytes([byte ^ 1]))
EOP
    check changed.img "$hash" >changed.out 2>&1 && fail "a bit at $at"
    grep -q 'Verification of data area failed' changed.out || fail "a bit at $at: $(cat changed.out)"
done

# Measured twice: in the command line, and in the configuration of the guest; and signed as systemd and the kernel take it.
{ image_uki demo.img demo.efi && "$cloister" uki inspect demo.efi --extract .cmdline:cmdline >/dev/null; } || fail "no UKI"
grep -q "cloister.roothash=$hash" cmdline || fail "the command line: $(cat cmdline)"
[ "$(cat demo.img.roothash)" = "$hash" ] || fail "the root hash's file: $(cat demo.img.roothash)"
verify() {
    openssl smime -verify -binary -inform DER -in demo.img.roothash.p7s -content "$1" -certfile keys/db.crt -CAfile keys/db.crt -purpose any -out /dev/null
}
expect "openssl verifies the signature" 0 "" verify demo.img.roothash
printf %s "$(echo "$hash" | tr 0123456789abcdef 123456789abcdef0)" >other
verify other 2>/dev/null && fail "a signature of another root hash"

# The same again, and a disk with tables of its own: the same root hash; its holes are in the tree.
expect "again" 0 "root hash  $hash" convert distribution again.img --verity --seed 11111111-2222-4333-8444-555555555555
rm -f again.*
make_disk disk.raw
expect "a disk" 0 "root hash" convert disk.raw disk.img --verity
hash=$(sed -n 's/^root hash  //p' out)
tree_at=$(sed -n 's/^hash tree  from byte \([0-9]*\) .*/\1/p' out)
plain disk.img
expect "veritysetup verifies that of a disk" 0 "" check plain.img "$hash"

# /usr alone: the tree is as before, with an empty file system after it for what is written; its free blocks are holes.
expect "usr alone" 0 "changes    from byte" convert distribution usr.img --verity-usr 64M --seed 11111111-2222-4333-8444-555555555555
tree_at=$(sed -n 's/^hash tree  from byte \([0-9]*\) .*/\1/p' out)
changes_at=$(sed -n 's/^changes    from byte \([0-9]*\) .*/\1/p' out)
[ "$(sed -n 's/^root .*, \([0-9]*\) MiB free$/\1/p' out)" -ge 40 ] || fail "free blocks were written: $(cat out)"
hash=$(sed -n 's/^root hash  //p' out)
plain usr.img
expect "veritysetup verifies it, too" 0 "" check plain.img "$hash"
dd if=plain.img of=changes.ext4 bs=1M iflag=skip_bytes skip="$changes_at" status=none
[ "$(stat -c %s changes.ext4)" = $((64 << 20)) ] || fail "the room: $(stat -c %s changes.ext4)"
e2fsck -fn changes.ext4 >e2fsck.log 2>&1 || fail "e2fsck of the changes: $(cat e2fsck.log)"
{ image_uki usr.img usr.efi && "$cloister" uki inspect usr.efi --extract .cmdline:cmdline >/dev/null; } || fail "no UKI"
grep -q "cloister.roothash=$hash" cmdline || fail "the command line: $(cat cmdline)"
expect "both" 2 "expected one of them" convert distribution no.img --verity --verity-usr 64M
expect "too little room" 2 "at least 16M" convert distribution no.img --verity-usr 4M
expect "no size" 2 "--verity-usr" convert distribution no.img --verity-usr much
expect "that grows" 2 "it goes without --grow" convert distribution no.img --verity-usr 64M --grow any
[ ! -e no.img ] || fail "something was written"

expect "with tags" 2 "it goes without --integrity" convert distribution no.img --verity --integrity hmac-sha256
[ ! -e no.img ] || fail "something was written"
exit "$failed"
