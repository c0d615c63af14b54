#!/bin/sh
# btrfs becomes ext4, file by file: a /boot of its own and a root without subvolumes, as Debian 12's mkfs.btrfs makes them; the subvolumes of
# Ubuntu and openSUSE, compressed, as tests/vectors/btrfs has them. btrfs restore says what is in them; what cannot be read is refused by name.
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
skip_without mkfs.btrfs btrfs mke2fs jq sfdisk debugfs e2fsck cryptsetup python3 xz
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
says() {
    name=$1
    shift
    for words; do
        grep -qF "$words" out || fail "$name: does not say '$words': $(cat out)"
    done
}
# read_root IMAGE: its files in the folder "is", its file system in plain.ext4.
read_root() {
    open_root "$1" disk.key plain.ext4
    e2fsck -fn plain.ext4 >e2fsck.log 2>&1 || fail "$1: e2fsck: $(cat e2fsck.log)"
    rm -rf is
    mkdir is
    in_root plain.ext4 'rdump / is' >/dev/null 2>&1
}
# same FOLDER: what was adapted aside.
same() {
    diff -r --no-dereference "$1" is 2>&1 | grep -v -e fstab -e crypttab -e lost+found -e 90-loaderentry -e '^[<>0-9\\-]' -e '^diff' -e pipe -e 'is/boot' >changed
    [ ! -s changed ] || fail "other files than in $1: $(cat changed)"
}

# --- Without subvolumes; a /boot of its own ---
rm distribution/etc/default/grub
mkdir distribution/etc/many
(cd distribution/etc/many && seq -f 'a-rather-long-name-of-a-file-%.0f' 1200 | xargs touch)
head -c 3000000 /dev/urandom >distribution/var/big
ln -s usr/lib/nothing distribution/link
printf 'UUID=%s / btrfs rw,compress=zstd:1,noatime,x-systemd.growfs 0 0\nUUID=%s /boot btrfs defaults 0 0\n' "$root_uuid" "$boot_uuid" \
    >distribution/etc/fstab
mkdir -p distribution.boot/loader/entries
printf 'version 6.12.0-test\nlinux /vmlinuz-6.12.0-test\noptions root=UUID=%s rootflags=subvol=root console=ttyS0 rhgb\n' $root_uuid \
    >distribution.boot/loader/entries/0-6.12.0-test.conf
rm -rf distribution.boot/grub
truncate -s 120M part.root part.boot
mkfs.btrfs -q -U $root_uuid --rootdir distribution part.root || skip "mkfs.btrfs does not work here"
mkfs.btrfs -q -M -U $boot_uuid --rootdir distribution.boot part.boot || skip "mkfs.btrfs does not work here"
truncate -s 250M disk.raw
printf 'label: gpt\nstart=4MiB,size=120MiB,type=L\nstart=125MiB,size=120MiB,type=L\n' | sfdisk -q disk.raw
dd if=part.boot of=disk.raw bs=1M seek=4 conv=notrunc,sparse status=none
dd if=part.root of=disk.raw bs=1M seek=125 conv=notrunc,sparse status=none
expect "without subvolumes" 0 "LUKS2" convert disk.raw demo.img --root-size 48M
says "without subvolumes" "root: partition 2 (btrfs, $root_uuid): has an init" "root: subvolume /" "root: becomes ext4: " \
    "/boot: partition 1 (btrfs, $boot_uuid): 2 files of kernels copied" "command line: of /boot/loader/entries: console=ttyS0 rhgb"
read_root demo.img
same distribution
in_root plain.ext4 'stat var/one' >one
grep -q 'Mode:  04755' one || fail "mode: $(cat one)"
grep -q 'Links: 2' one || fail "links: $(cat one)"
grep -q 'mtime: 0x499602d2' one || fail "time: $(cat one)"
in_root plain.ext4 'ea_list var/one' | grep -q 'user.note (4) = "kept"' || [ -z "$(getfattr -n user.note distribution/var/one 2>/dev/null)" ] || fail "attribute"
grep -q '^/dev/mapper/root / ext4 rw,noatime,x-systemd.growfs 0 1$' is/etc/fstab || fail "fstab: $(cat is/etc/fstab)"
rm -f part.* disk.raw

# --- Subvolumes, compressed ---
# unpack NAME: NAME.btrfs, of tests/vectors.
unpack() { xz -dc "$CLOISTER_TESTS/vectors/btrfs/$1.xz" | python3 "$CLOISTER_TESTS/vectors/btrfs/sectors.py" unpack 117440512 "$1.btrfs"; }
# restore DISK NAME FOLDER: the files of a subvolume, as btrfs-progs reads them.
restore() {
    id=$(btrfs inspect-internal dump-tree -t root "$1" 2>/dev/null | sed -n '/ROOT_BACKREF/{N;s/.*key (\([0-9]*\) .* name \(.*\)/\1 \2/p}' | sed -n "s| $2\$||p")
    mkdir -p "$3"
    btrfs restore -S -r "$id" "$1" "$3" >restore.log 2>&1 || fail "btrfs restore: $(cat restore.log)"
}
unpack ubuntu
rm -rf want
restore ubuntu.btrfs @ want
restore ubuntu.btrfs @home want/home
restore ubuntu.btrfs machines want/var/lib/machines
expect "Ubuntu" 0 "LUKS2" convert ubuntu.btrfs ubuntu.img --root-size 24M
says "Ubuntu" "root: subvolume @" "/home: subvolume @home: joined to the root" "command line: of /etc/default/grub: console=ttyS0"
read_root ubuntu.img
same want
{ [ "$(cat is/var/lib/machines/file)" = "of a machine" ] && [ "$(wc -l <is/home/user/file)" = 5000 ]; } || fail "Ubuntu: a subvolume's files"
grep -q '^/dev/mapper/root / ext4 defaults,noatime 0 1$' is/etc/fstab || fail "fstab: $(cat is/etc/fstab)"
grep -q "^# not on this disk any more .* /home btrfs" is/etc/fstab || fail "fstab: $(cat is/etc/fstab)"
in_root plain.ext4 'stat data/mixed' >one
{ grep -q 'User: *7 *Group: 70000' one && grep -q 'Mode:  04674' one; } || fail "owner, mode: $(cat one)"
in_root plain.ext4 'ea_list data/mixed' >one
{ grep -q 'system.posix_acl_access (28)' one && grep -q 'user.large (3000)' one; } || fail "an ACL, a large attribute: $(cat one)"
in_root plain.ext4 'ea_list data/text' | grep -q 'security.selinux (27)' || fail "a label"
in_root plain.ext4 'stat data/text' | grep -q 'Links: 2' || fail "a hard link"
in_root plain.ext4 'stat data/text' | grep -q 'mtime: 0x499602d2' || fail "a time"
in_root plain.ext4 'stat data/sparse' | grep -q 'Blockcount: 8$' || fail "holes"
in_root plain.ext4 'stat data/pipe' | grep -q FIFO || fail "the pipe"
[ "$(readlink is/data/longlink | tr -d '\n' | wc -c)" = 1500 ] || fail "a long link"

unpack opensuse
expect "openSUSE" 0 "LUKS2" convert opensuse.btrfs opensuse.img --root-size 24M
says "openSUSE" "root: subvolume @/.snapshots/1/snapshot" "/home: subvolume @/home: joined" "/boot/grub2/x86_64-efi: subvolume @/boot/grub2/x86_64-efi: joined" \
    "/.snapshots: subvolume @/.snapshots: joined"
read_root opensuse.img
{ [ "$(cat is/boot/grub2/x86_64-efi/module)" = module ] && cmp -s is/data/text "want/data/text" && cmp -s is/data/mixed want/data/mixed; } || fail "openSUSE: files"
{ [ -d is/.snapshots/1/snapshot ] && [ -z "$(ls -A is/.snapshots/1/snapshot)" ]; } || fail "openSUSE: the root is in itself"

unpack two
expect "two roots" 2 "btrfs: more than one subvolume is a root (first, second): --root-subvolume says which" convert two.btrfs no.img
expect "one of them" 3 "no kernel 9" convert two.btrfs no.img --root-subvolume second --kernel-release 9
says "one of them" "root: subvolume second"
expect "none of them" 3 "btrfs: no subvolume third" convert two.btrfs no.img --root-subvolume third

# --- As a kernel left it: a snapshot, extents that are shared, reserved, written over ---
unpack kernel
expect "a kernel's" 0 "LUKS2" convert kernel.btrfs kernel.img --root-size 24M --kernel vmlinuz --modules "$modules"
says "a kernel's" "root: subvolume @" "/home: subvolume @home: joined" "snapshots: 1: left behind"
read_root kernel.img
grep -v fstab "$CLOISTER_TESTS/vectors/btrfs/kernel.sha256" >sums
{ (cd is && sha256sum -c --quiet ../sums) >sums.log 2>&1; } || fail "other bytes: $(cat sums.log)"
{ [ "$(cat is/nested/file)" = nested ] && [ -z "$(ls -A is/.snapshots/1/snapshot)" ]; } || fail "a kernel's: subvolumes"
for file in reserved sparse; do in_root plain.ext4 "stat data/$file" | grep -q 'Blockcount: 8$' || fail "holes of $file"; done
in_root plain.ext4 'stat data/large' | grep -q '300:70000' || fail "a device: $(in_root plain.ext4 'stat data/large')"
in_root plain.ext4 'stat data/over' | grep -q 'mtime: 0x6b0dc02b:ac9d8e34' || fail "a time's nanoseconds: $(in_root plain.ext4 'stat data/over')"

# --- Lies, and what waits ---
one() {
    expect "$1" 3 "$1: no ext4, XFS or btrfs file system with an init; the disk (btrfs, $root_uuid) $2" convert "$1" no.img
    [ ! -e no.img ] || fail "$1: something was written"
    rm "$1"
}
python3 - two.btrfs <<'EOP'
import struct, subprocess, sys
def crc32c(data):
    sum = 0xffffffff
    for byte in data:
        sum ^= byte
        for _ in range(8):
            sum = sum >> 1 ^ (0x82f63b78 if sum & 1 else 0)
    return sum ^ 0xffffffff
def make(name, changes):
    subprocess.run(["cp", "--sparse=always", sys.argv[1], name], check=True)
    with open(name, "r+b") as disk:
        for place, new in changes:
            disk.seek(place)
            disk.write(new)
def make_super(name, at, new, seals=True):
    changes = []
    for place in (65536, 67108864):
        block = bytearray(image[place:place + 4096])
        block[at:at + len(new)] = new
        if seals:
            block[:4] = struct.pack("<I", crc32c(block[32:]))
        changes.append((place, block))
    make(name, changes)
image = open(sys.argv[1], "rb").read()
make_super("log.btrfs", 0x60, struct.pack("<Q", 1 << 22))
make_super("devices.btrfs", 0x88, struct.pack("<Q", 2))
make_super("large.btrfs", 0x70, struct.pack("<Q", 1 << 40))
make_super("sum.btrfs", 0x70, b"\1", False)
make_super("xxhash.btrfs", 0xc4, b"\1")
# Every block of a tree.
changes, at = [], 0
while (at := image.find(image[65536 + 32:65536 + 48], at + 1)) > 0:
    if at - 32 not in (65536, 67108864) and at % 4096 == 32:
        changes.append((at + 200, bytes([image[at + 200] ^ 1])))
make("block.btrfs", changes)
EOP
one log.btrfs "btrfs: was not unmounted cleanly"
one devices.btrfs "btrfs: has 2 devices: 'btrfs device remove' on it until one is left"
one large.btrfs "btrfs: larger than its partition"
one sum.btrfs "btrfs: no superblock that is whole"
one xxhash.btrfs "btrfs: checksums by xxhash64: CRC-32C and SHA-256 are read"
one block.btrfs "btrfs: block 1052672: a wrong checksum"
exit "$failed"
