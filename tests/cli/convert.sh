#!/bin/sh
# A distribution's disk, converted: found by itself, adapted inside, nothing else changed; and what cannot be carried over is
# refused in one line.
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
skip_without qemu-img mke2fs mkfs.vfat mkswap mcopy jq sfdisk debugfs e2fsck cryptsetup python3
make_image_inputs
make_distribution
make_disk disk.raw

# convert DISK IMAGE [OPTION]…
# shellcheck disable=SC2317 # expect calls it
convert() {
    disk=$1 image=$2
    shift 2
    "$cloister" image convert "$disk" "$image" --stub "$stub" --key keys/db.key --cert keys/db.crt --varstore vars.fd \
        --disk-key disk.key --reuse-disk-key test --broker https://10.0.2.2:8443 --broker-key broker.pem --init "$init" "$@"
}

qemu-img convert -f raw -O qcow2 -c disk.raw disk.qcow2 || fail "qemu-img"
before=$(sha256sum <disk.qcow2)
expect "a disk" 0 "LUKS2" convert disk.qcow2 demo.img
cp out found
[ "$before" = "$(sha256sum <disk.qcow2)" ] || fail "the input was written to"
for words in "disk: qcow2, 170 MiB, GPT partition table" "root: partition 3 (ext4, $root_uuid): has an init" \
    "/boot: partition 2 (ext4, $boot_uuid): 2 files of kernels copied into the root" "swap: partition 4" \
    "/boot/efi: partition 1 (FAT, $esp_id): left behind" "kernel: 6.12.0-test, /boot/vmlinuz-6.12.0-test" \
    "command line: of /etc/default/grub: net.ifnames=0 console=ttyS0,115200" "/etc/fstab: changed" \
    "/etc/kernel/postinst.d/zz-update-grub: not started any more"; do
    grep -qF "$words" found || fail "does not say '$words': $(cat found)"
done
expect "inspect" 0 "a guest opens it" "$cloister" image inspect demo.img
{ image_uki demo.img demo.efi && "$cloister" uki inspect demo.efi >inspected; } || fail "no UKI"
grep -q 'net.ifnames=0 console=ttyS0,115200' inspected || fail "the command line: $(cat inspected)"
grep -q 'A distribution' demo.efi || fail "os-release"
grep -qa 'initrd.img\|update-grub' demo.img && fail "something of the root is in the clear"

# Inside: a sound file system, adapted, and all else as it was.
open_root demo.img disk.key plain.ext4
e2fsck -fn plain.ext4 >e2fsck.log 2>&1 || fail "e2fsck: $(cat e2fsck.log)"
in_root plain.ext4 'cat etc/fstab' >fstab
grep -q '^/dev/mapper/root / ext4 errors=remount-ro 0 1$' fstab || fail "fstab: $(cat fstab)"
grep -v '^#' fstab | grep -q 'UUID=' && fail "fstab names a disk still: $(cat fstab)"
grep -q '^tmpfs /tmp' fstab || fail "fstab lost a line: $(cat fstab)"
grep -q "^# .*UUID=$esp_id /boot/efi" fstab || fail "fstab does not say what was there: $(cat fstab)"
in_root plain.ext4 'cat etc/crypttab' | grep -qv '^#' && fail "crypttab: $(in_root plain.ext4 'cat etc/crypttab')"
in_root plain.ext4 'stat etc/kernel/postinst.d/zz-update-grub' | grep -q 'Mode:  0644' || fail "the hook may be started"
in_root plain.ext4 'stat etc/kernel/install.d/90-loaderentry.install' | grep -q '/dev/null' || fail "the plugin is not masked"
in_root plain.ext4 'dump boot/vmlinuz-6.12.0-test kernel' >/dev/null
cmp -s kernel distribution.boot/vmlinuz-6.12.0-test || fail "the kernel in /boot"
in_root plain.ext4 'ls boot' | grep -q initrd && fail "an initrd was copied"
mkdir was is
in_root part.root 'rdump / was' >/dev/null 2>&1
in_root plain.ext4 'rdump / is' >/dev/null 2>&1
diff -r was is | grep -v -e 'fstab' -e crypttab -e '^Only in is/boot' -e 90-loaderentry -e '^[<>0-9\\-]' -e '^diff' >changed
[ ! -s changed ] || fail "other files are changed: $(cat changed)"
for file in var/one var/two var/sparse etc/os-release; do
    in_root part.root "stat $file" >one
    in_root plain.ext4 "stat $file" >two
    cmp -s one two || fail "$file: $(diff one two | head -n 5)"
done
in_root part.root 'ea_list var/one' >one
in_root plain.ext4 'ea_list var/one' >two
cmp -s one two || fail "extended attributes: $(diff one two)"

# Raw, dynamic VHD, an MBR with the root in a logical partition, a bare file system: the same root.
qemu-img convert -f raw -O vpc -o subformat=dynamic,force_size=on disk.raw disk.vhd || fail "qemu-img: VHD"
expect "a VHD" 0 "LUKS2" convert disk.vhd vhd.img
truncate -s 140M mbr.raw
printf 'label: dos\nstart=1MiB,size=24MiB,type=83\nstart=26MiB,size=110MiB,type=5\nstart=27MiB,size=96MiB,type=83\n' | sfdisk -q mbr.raw
dd if=part.boot of=mbr.raw bs=1M seek=1 conv=notrunc,sparse status=none
dd if=part.root of=mbr.raw bs=1M seek=27 conv=notrunc,sparse status=none
expect "an MBR" 0 "LUKS2" convert mbr.raw mbr.img
grep -q 'root: partition 5 (ext4' out || fail "an MBR: $(cat out)"

# What cannot be carried over. one DISK WORDS [OPTION]…
one() {
    disk=$1 words=$2
    shift 2
    expect "$disk" 3 "$disk: $words" convert "$disk" no.img "$@"
    [ ! -e no.img ] || fail "$disk: something was written"
}
head -c 3000000 /dev/urandom >noise.raw
one noise.raw "neither a partition table nor a file system is in it"
qemu-img create -q -f vdi disk.vdi 1M
one disk.vdi "is a VDI container"
cp --sparse=always disk.raw dirty.raw
debugfs -w -R 'ssv state 0' part.root 2>/dev/null
dd if=part.root of=dirty.raw bs=1M seek=59 conv=notrunc status=none
one dirty.raw "the root was not unmounted cleanly"
for content in _BHRfS_M:65600:btrfs LABELONE:512:LVM; do
    cp --sparse=always disk.raw other.raw
    dd if=/dev/zero of=other.raw bs=1M seek=59 count=1 conv=notrunc status=none
    printf %s "${content%%:*}" | dd of=other.raw bs=1 seek=$((59 * 1048576 + $(echo "$content" | cut -d : -f 2))) conv=notrunc status=none
    one other.raw "no ext4, XFS or btrfs file system with an init; partition 3 (${content##*:}"
done
mv distribution/sbin/init away
make_disk empty.raw
one empty.raw "GPT partition table, 4 partitions: none is an ext4, XFS or btrfs file system with an init"
mv away distribution/sbin/init
echo 'LABEL=data /home ext4 defaults 0 2' >>distribution/etc/fstab
make_disk home.raw
one home.raw "/etc/fstab: /home is a disk that is not this one"
expect "left behind" 0 "/home: a disk that is not this one: left behind" convert home.raw dropped.img --drop /home
sed -i '$d' distribution/etc/fstab
mv distribution.boot/vmlinuz-6.12.0-test away
make_disk kernel.raw
one kernel.raw "no kernel in /boot or /usr/lib/modules: --kernel and --modules give one"
expect "a kernel of the owner's" 0 "LUKS2" convert kernel.raw own.img --kernel vmlinuz --modules "$modules"
mv away distribution.boot/vmlinuz-6.12.0-test
cp distribution/usr/lib/modules/6.12.0-test/modules.dep saved.dep
echo '../../../../etc/evil.ko:' >>distribution/usr/lib/modules/6.12.0-test/modules.dep
make_disk evil.raw
one evil.raw "kernel 6.12.0-test: modules.dep: ../../../../etc/evil.ko: outside of its folder"
cp saved.dep distribution/usr/lib/modules/6.12.0-test/modules.dep
mv distribution/usr/lib/modules/6.12.0-test away
make_disk modules.raw
one modules.raw "kernel 6.12.0-test has no modules in /usr/lib/modules"
mv away distribution/usr/lib/modules/6.12.0-test
expect "no such kernel" 3 "no kernel 5.0 in" convert disk.raw no.img --kernel-release 5.0
expect "no such partition" 3 "none is an ext4, XFS or btrfs file system with an init" convert disk.raw no.img --root-partition 2
expect "no image" 2 "where does the image go? IMAGE, or --in-place" "$cloister" image convert disk.raw
[ -z "$(find . -maxdepth 1 -name '*.tmp*' -o -maxdepth 1 -name '.cloister*' -o -maxdepth 1 -name 'cloister-*')" ] || fail "left over: $(ls)"

exit "$failed"
