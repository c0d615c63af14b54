#!/bin/bash
# A root of rpms as RHEL lays it out: BIOS boot, ESP, /boot and root on XFS that a kernel wrote, in a qcow2; boot loader entries,
# kernel-install, SELinux's labels. Converted, booted, updated by kernel-install's plugin, booted again.
# shellcheck source=tests/vm/vm.sh
. "$(dirname "$0")/vm.sh"
# shellcheck source=tests/vm/judge_lib.sh
. tests/vm/judge_lib.sh
# shellcheck source=tests/vm/converted_lib.sh
. tests/vm/converted_lib.sh

for tool in qemu-img sfdisk mkfs.xfs rpmbuild rpm; do
    PATH=$PATH:/usr/sbin:/sbin command -v $tool >/dev/null || { echo "SKIP: $tool is not installed" && exit 77; }
done
converted_begin converted-rpm
tree=$LAB/tree
converted_tree "$tree" rpm
printf '%s\n' "UUID=$CONVERTED_ROOT / xfs defaults 0 0" "UUID=$CONVERTED_BOOT /boot xfs defaults 0 0" 'UUID=7C1B-44A2 /boot/efi vfat umask=0077 0 2' >"$tree/etc/fstab"
packages() { [ "$(rpm --root "$(realpath "$tree")" --dbpath /usr/lib/sysimage/rpm -qa | wc -l)" = 3 ]; }
vm_check "a root with an rpm database" packages

truncate -s 320M "$LAB/boot.xfs"
truncate -s 1300M "$LAB/root.xfs"
mkfs.xfs -q -m uuid=$CONVERTED_BOOT "$LAB/boot.xfs"
mkfs.xfs -q -m uuid=$CONVERTED_ROOT "$LAB/root.xfs"
cat >"$LAB/job" <<'JOB'
say root mount -t xfs "$(disk root)" /mnt
mkdir /mnt/boot
say boot mount -t xfs "$(disk boot)" /mnt/boot
# Not busybox's, which knows no attributes.
say files /bin/tar -xf "$(disk tree)" -C /mnt --numeric-owner --same-permissions --xattrs --xattrs-include='*'
say leave umount /mnt/boot
say clean umount /mnt
JOB
JUDGE_MODULES="$JUDGE_MODULES xfs"
vm_check "XFS, written by a kernel" converted_write "$tree" "$LAB/job" "root=$LAB/root.xfs" "boot=$LAB/boot.xfs"
truncate -s 1700M "$LAB/disk"
printf 'label: gpt\nstart=1MiB,size=1MiB,type=21686148-6449-6E6F-744E-656564454649\nstart=2MiB,size=40MiB,type=U\nstart=42MiB,size=320MiB,type=BC13C2FF-59E6-4262-A352-B275FD6F7172\nstart=362MiB,size=1300MiB,type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709\n' |
    sfdisk -q "$LAB/disk"
[ "$vm_failures" = 0 ] || vm_end
dd if="$LAB/boot.xfs" of="$LAB/disk" bs=1M seek=42 conv=notrunc,sparse status=none
dd if="$LAB/root.xfs" of="$LAB/disk" bs=1M seek=362 conv=notrunc,sparse status=none
qemu-img convert -f raw -O qcow2 "$LAB/disk" "$LAB/disk.qcow2" && rm -f "$LAB/disk" "$LAB"/*.xfs
converted rpm "$LAB/disk.qcow2" "$tree"
rm -rf "$tree"
vm_end
