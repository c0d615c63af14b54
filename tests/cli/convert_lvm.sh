#!/bin/sh
# A disk as RHEL lays it out on LVM: /boot of its own, root and swap on logical volumes of two physical ones, the root in three pieces. pvck says
# that the metadata is LVM's. What is not linear, not here, or a lie is refused by name.
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
skip_without mke2fs mkswap jq sfdisk debugfs e2fsck cryptsetup python3
make_image_inputs
make_distribution

# convert DISK IMAGE [OPTION]…
# shellcheck disable=SC2317 # expect calls it
convert() {
    disk=$1 image=$2
    shift 2
    "$cloister" image convert "$disk" "$image" --stub "$stub" --key keys/db.key --cert keys/db.crt --varstore vars.fd \
        --disk-key disk.key --reuse-disk-key test --broker https://10.0.2.2:8443 --broker-key broker.pem --init "$init" "$@"
}
# Two physical volumes, at 26 and at 110 MiB.
table='label: gpt\nstart=1MiB,size=24MiB,type=L\nstart=26MiB,size=80MiB,type=E6D6D379-F507-44C2-A23C-238F2A3DF928\nstart=110MiB,size=40MiB,type=E6D6D379-F507-44C2-A23C-238F2A3DF928\n'
# make_lvm FILE VOLUME…
make_lvm() {
    rm -f "$1"
    truncate -s 152M "$1"
    # shellcheck disable=SC2059 # it is a format
    printf "$table" | sfdisk -q "$1"
    dd if=part.boot of="$1" bs=1M seek=1 conv=notrunc,sparse status=none
    file=$1
    shift
    python3 "$CLOISTER_TESTS/cli/lvm_disk.py" "$file" rhel 26:80 110:40 -- "$@" || fail "lvm_disk.py"
}
printf '/dev/mapper/rhel-root / ext4 defaults 0 1\nUUID=%s /boot ext4 defaults 0 2\n/dev/mapper/rhel-my--swap none swap defaults 0 0\n' $boot_uuid >distribution/etc/fstab
echo 'GRUB_CMDLINE_LINUX="console=ttyS0 root=/dev/mapper/rhel-root rd.lvm.lv=rhel/root rd.lvm.lv=rhel/my-swap resume=/dev/mapper/rhel-my--swap quiet"' \
    >distribution/etc/default/grub
mke2fs -q -F -t ext4 -U $boot_uuid -d distribution.boot part.boot 24M >/dev/null
mke2fs -q -F -t ext4 -b 4096 -U $root_uuid -E root_owner=0:0 -d distribution part.root 64M >/dev/null
truncate -s 8M part.swap
mkswap -q -U $swap_uuid part.swap 2>/dev/null
make_lvm disk.raw "root=part.root@0:30+30,0:0+20,1:4+14" "my-swap=part.swap@0:20+8"

# The judge: lvm2's own reader of metadata, which takes a file.
if found pvck "it is not asked about the metadata"; then
    for at in 26 110; do
        dd if=disk.raw of=pv.raw bs=1M skip=$at count=2 status=none
        pvck --dump metadata pv.raw >pvck.out 2>&1 || fail "pvck: $(cat pvck.out)"
        grep -q "vgname rhel seqno 7" pvck.out || fail "pvck: $(cat pvck.out)"
        ! grep -qi -e mismatch -e "wrong" -e "invalid" pvck.out || fail "pvck: $(cat pvck.out)"
    done
fi

"$cloister" image inspect disk.raw >out 2>err
grep -q 'volume rhel/root (ext4' out || fail "inspect: $(cat out err)"
expect "RHEL on LVM" 0 "LUKS2" convert disk.raw demo.img
for words in "root: volume rhel/root (ext4, $root_uuid): has an init" "swap: volume rhel/my-swap (swap, $swap_uuid): left behind" \
    "/boot: partition 1 (ext4, $boot_uuid): 2 files of kernels copied" "command line: of /etc/default/grub: console=ttyS0 quiet" "/etc/fstab: changed"; do
    grep -qF "$words" out || fail "RHEL on LVM: does not say '$words': $(cat out)"
done
open_root demo.img disk.key plain.ext4
e2fsck -fn plain.ext4 >e2fsck.log 2>&1 || fail "e2fsck: $(cat e2fsck.log)"
mkdir is
in_root plain.ext4 'rdump / is' >/dev/null 2>&1
diff -r --no-dereference distribution is 2>&1 | grep -v -e fstab -e crypttab -e lost+found -e 90-loaderentry -e '^[<>0-9\\-]' -e '^diff' -e 'is/boot' >changed
[ ! -s changed ] || fail "other files: $(cat changed)"
in_root plain.ext4 'stat var/one' | grep -q 'Links: 2' || fail "a hard link"
grep -q '^/dev/mapper/root / ext4 defaults 0 1$' is/etc/fstab || fail "fstab: $(cat is/etc/fstab)"
qemu-img convert -O qcow2 disk.raw disk.qcow2 2>/dev/null && {
    expect "in a qcow2" 3 "no kernel 9" convert disk.qcow2 no.img --root-partition rhel/root --kernel-release 9
    grep -q "root: volume rhel/root (ext4, $root_uuid): has an init" out || fail "in a qcow2: $(cat out)"
}
rm -f demo.img disk.qcow2

# --- What is refused ---
one() {
    expect "$1" 3 "$1: $2" convert "$1" no.img
    [ ! -e no.img ] || fail "$1: something was written"
    rm "$1"
}
# refused NAME WORDS: the root is not found, and the volumes say why.
refused() { one "$1" "no ext4, XFS or btrfs file system with an init; partition 2 (LVM, clo$(printf %029d 0)) $2"; }
for kind in thin raid1 snapshot; do
    make_lvm $kind.raw "root=part.root@0:0+64%$kind"
    refused $kind.raw "has volume rhel/root, which is of the kind \"$kind\": linear ones are read"
done
make_lvm none.raw "my-swap=part.swap@0:20+8"
refused none.raw "none of its logical volumes has one"
# Its second disk is elsewhere: what lies here alone is read.
make_lvm away.raw "data=part.swap@1:1+4" "root=part.root@0:0+64"
dd if=/dev/zero of=away.raw bs=1M seek=110 count=1 conv=notrunc status=none
expect "a group that is not whole" 3 "no kernel 9" convert away.raw no.img --kernel-release 9
grep -q "root: volume rhel/root" out || fail "a group that is not whole: $(cat out)"
rm away.raw
make_lvm gone.raw "root=part.root@0:0+30,1:0+34"
dd if=/dev/zero of=gone.raw bs=1M seek=110 count=1 conv=notrunc status=none
refused gone.raw "has volume rhel/root, which lies on a disk that is not this one: 'pvmove'"
make_lvm sum.raw "root=part.root@0:0+64"
for at in 26 110; do printf x | dd of=sum.raw bs=1 seek=$((at * 1048576 + 4096 + 700)) conv=notrunc status=none; done
refused sum.raw "LVM: a text with a wrong checksum"
make_lvm label.raw "root=part.root@0:0+64"
for at in 26 110; do printf x | dd of=label.raw bs=1 seek=$((at * 1048576 + 512 + 50)) conv=notrunc status=none; done
one label.raw "no ext4, XFS or btrfs file system with an init; partition 2 (LVM, "
make_lvm beyond.raw "root=part.root@0:0+64,1:20+30"
refused beyond.raw "volume root: LVM: a segment beyond its physical volume's end"
make_lvm large.raw "root=part.root@0:0+64,0:0+64,0:0+64"
refused large.raw "has volume rhel/root, which is larger than its disk"
# A boot partition in which one kernel has many names.
mkdir many
echo kernel >many/vmlinuz-1
for i in $(seq 2 300); do ln many/vmlinuz-1 many/vmlinuz-"$i"; done
mv part.boot part.boot.usual
mke2fs -q -F -t ext4 -U $boot_uuid -d many part.boot 24M >/dev/null
make_lvm many.raw "root=part.root@0:0+64"
expect "many kernels" 3 "more than 256 files, or 1 GiB, of kernels" convert many.raw no.img
mv part.boot.usual part.boot
rm many.raw
# Two that are roots.
make_lvm two.raw "root=part.root@0:0+64" "second=part.root@1:0+38"
expect "two roots" 2 "volume rhel/root (ext4, $root_uuid) and volume rhel/second (ext4, $root_uuid) are both roots: --root-partition says which" convert two.raw no.img
exit "$failed"
