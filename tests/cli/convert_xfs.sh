#!/bin/sh
# A disk as RHEL lays it out: BIOS boot, ESP, /boot and root on XFS. Its files become ext4's, with what xfs_db and mkfs.xfs put there;
# an XFS that waits for its log, or that lies, is refused by name.
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
skip_without mkfs.xfs xfs_db mke2fs jq sfdisk debugfs e2fsck cryptsetup python3
make_image_inputs
make_distribution
release=6.12.0-test

# convert DISK IMAGE [OPTION]…
# shellcheck disable=SC2317 # expect calls it
convert() {
    disk=$1 image=$2
    shift 2
    "$cloister" image convert "$disk" "$image" --stub "$stub" --key keys/db.key --cert keys/db.crt --varstore vars.fd \
        --disk-key disk.key --reuse-disk-key test --broker https://10.0.2.2:8443 --broker-key broker.pem --init "$init" "$@"
}

# make_xfs FOLDER FILE UUID
make_xfs() {
    python3 "$CLOISTER_TESTS/cli/xfs_proto.py" "$1" >proto
    rm -f "$2"
    truncate -s 320M "$2"
    mkfs.xfs -q -m uuid="$3" -p proto "$2" >/dev/null || skip "mkfs.xfs does not work here"
}

# The kinds of folders (inside an inode, a block, many blocks), of links, and of files.
rm distribution/var/two distribution/etc/fstab distribution/etc/default/grub
ln -s usr/lib/nothing distribution/link
ln -s "$(printf 'x%.0s' $(seq 1 800))" distribution/longlink
mkfifo distribution/var/pipe
mkdir distribution/etc/some distribution/etc/many
i=0
while [ $i -lt 1200 ]; do
    i=$((i + 1))
    echo $i >"distribution/etc/many/a-rather-long-name-of-a-file-$i"
    [ $i -gt 40 ] || echo $i >"distribution/etc/some/file-$i"
done
head -c 3000000 /dev/urandom >distribution/var/big
rm distribution/var/sparse
printf 'UUID=%s / xfs defaults 0 0\nUUID=%s /boot xfs defaults 0 0\n' "$root_uuid" "$boot_uuid" >distribution/etc/fstab
mkdir -p distribution.boot/loader/entries
printf 'version %s\nlinux /vmlinuz-%s\noptions root=/dev/mapper/rhel-root rd.lvm.lv=rhel/root console=ttyS0 crashkernel=1G-4G:192M %s\n' \
    $release $release "\$tuned_params" >distribution.boot/loader/entries/0-$release.conf
make_xfs distribution part.root $root_uuid
# mkfs.xfs 6.1 leaves out the header of a link's block: as the kernel has it.
python3 - part.root <<'EOP' || fail "python3"
import sys
with open(sys.argv[1], "r+b") as f:
    image = f.read(64 << 20)
    at = image.index(b"x" * 800)
    if at % 4096 == 0:
        f.seek(at)
        f.write(b"XSLM" + bytes(52) + b"x" * 800)
EOP
xfs_db -x -c "path /var/big" -c "attr_set -s -v 30 selinux" -c "attr_set -u -v 3500 large" -c "path /etc" -c "attr_set -s -v 40 selinux" part.root \
    >/dev/null 2>&1 || fail "xfs_db"
make_xfs distribution.boot part.boot $boot_uuid
truncate -s 650M disk.raw
printf 'label: gpt\nstart=1MiB,size=1MiB,type=21686148-6449-6E6F-744E-656564454649\nstart=4MiB,size=320MiB,type=L\nstart=325MiB,size=320MiB,type=L\n' |
    sfdisk -q disk.raw
dd if=part.boot of=disk.raw bs=1M seek=4 conv=notrunc,sparse status=none
dd if=part.root of=disk.raw bs=1M seek=325 conv=notrunc,sparse status=none

expect "RHEL" 0 "LUKS2" convert disk.raw demo.img
for words in "root: partition 3 (XFS, $root_uuid): has an init" "root: becomes ext4: " "/boot: partition 2 (XFS, $boot_uuid): 2 files of kernels copied" \
    "command line: of /boot/loader/entries: console=ttyS0 crashkernel=1G-4G:192M" "/etc/fstab: changed"; do
    grep -qF "$words" out || fail "RHEL: does not say '$words': $(cat out)"
done
open_root demo.img disk.key plain.ext4
e2fsck -fn plain.ext4 >e2fsck.log 2>&1 || fail "e2fsck: $(cat e2fsck.log)"
mkdir is
in_root plain.ext4 'rdump / is' >/dev/null 2>&1
diff -r --no-dereference distribution is 2>&1 | grep -v -e fstab -e crypttab -e lost+found -e 90-loaderentry -e '^[<>0-9\\-]' -e '^diff' -e pipe -e 'is/boot' >changed
[ ! -s changed ] || fail "other files: $(cat changed)"
in_root plain.ext4 'stat var/big' >one
grep -q 'User: *7 *Group: *8' one || fail "owner: $(cat one)"
in_root plain.ext4 'stat var/one' | grep -q 'Mode:  04755' || fail "mode"
in_root plain.ext4 'stat var/pipe' | grep -q FIFO || fail "the pipe"
in_root plain.ext4 'ea_list var/big' >one
grep -q 'security.selinux (30)' one || fail "a label: $(cat one)"
grep -q 'user.large (3500)' one || fail "a large attribute: $(cat one)"
in_root plain.ext4 'ea_list etc' | grep -q 'security.selinux (40)' || fail "a folder's label"
in_root plain.ext4 'ea_list etc/kernel/install.d/90-loaderentry.install' | grep -q selinux && fail "a label that its folder has not"

# Lies, and a log that waits: a record after the one that says "unmounted".
one() {
    expect "$1" 3 "$1: $2" convert "$1" no.img
    [ ! -e no.img ] || fail "$1: something was written"
}
python3 - part.root <<'EOP'
import struct, sys
image = open(sys.argv[1], "rb").read()
block, = struct.unpack_from(">I", image, 4)
log, = struct.unpack_from(">Q", image, 48)
groups, = struct.unpack_from(">I", image, 84)
bits = image[124]
at = ((log >> bits) * groups + (log & (1 << bits) - 1)) * block
def make(name, *changes):
    copy = bytearray(image)
    for place, new in changes:
        copy[place:place + len(new)] = new
    with open(name, "wb") as f:
        f.write(copy)
record = struct.pack(">IIIIQQ", 0xfeedbabe, 99, 2, 512, 99 << 32, 99 << 32) + bytes(8) + struct.pack(">I", 7)
make("log.xfs", (at + 1 << 20, b""), (at + 65536, record))
make("version4.xfs", (100, b"\xb4\xa4"))
make("repair.xfs", (216, struct.pack(">I", 0x11)))
make("large.xfs", (8, struct.pack(">Q", 1 << 40)))
make("root.xfs", (56, struct.pack(">Q", 1 << 60)))
EOP
one log.xfs "no ext4, XFS or btrfs file system with an init; the disk (XFS, $root_uuid) XFS: was not unmounted cleanly"
one version4.xfs "no ext4, XFS or btrfs file system with an init; the disk (XFS, $root_uuid) XFS: version 4: 5 is read"
one repair.xfs "no ext4, XFS or btrfs file system with an init; the disk (XFS, $root_uuid) XFS: waits for a repair"
one large.xfs "no ext4, XFS or btrfs file system with an init; the disk (XFS, $root_uuid) XFS: larger than its partition"
one root.xfs "no partition table, 1 partitions: none is an ext4, XFS or btrfs file system with an init"
exit "$failed"
