#!/bin/bash
# A root as Fedora and Ubuntu lay it out, on a logical volume: /boot of its own on ext4, btrfs that a kernel wrote, with a subvolume for the root and
# one for /srv, compressed, with a snapshot; in two pieces of a volume group. Converted, booted, updated from inside, booted again.
# shellcheck source=tests/vm/vm.sh
. "$(dirname "$0")/vm.sh"
# shellcheck source=tests/vm/judge_lib.sh
. tests/vm/judge_lib.sh
# shellcheck source=tests/vm/converted_lib.sh
. tests/vm/converted_lib.sh

for tool in sfdisk mkfs.btrfs btrfs mke2fs python3; do
    PATH=$PATH:/usr/sbin:/sbin command -v $tool >/dev/null || { echo "SKIP: $tool is not installed" && exit 77; }
done
converted_begin converted-btrfs
tree=$LAB/tree
converted_tree "$tree"
{
    echo "/dev/mapper/vg-root / btrfs defaults,subvol=root,compress=zstd:1 0 0"
    echo "UUID=$CONVERTED_ROOT /srv btrfs subvol=/srv,compress=zstd:1 0 0"
    echo "UUID=$CONVERTED_BOOT /boot ext4 defaults 0 2"
} >"$tree/etc/fstab"

truncate -s 1300M "$LAB/root.btrfs"
mkfs.btrfs -q -U $CONVERTED_ROOT "$LAB/root.btrfs"
mke2fs -q -F -t ext4 -U $CONVERTED_BOOT -d "$tree/boot" "$LAB/boot.ext4" 200M
cat >"$LAB/job" <<'JOB'
say top mount -t btrfs -o compress=zstd:1 "$(disk root)" /mnt
say root btrfs subvolume create /mnt/root
say srv btrfs subvolume create /mnt/srv
mkdir /mnt/root/srv
say bind mount --bind /mnt/srv /mnt/root/srv
say files /bin/tar -xf "$(disk tree)" -C /mnt/root --numeric-owner --same-permissions --xattrs --xattrs-include='*'
say leave umount /mnt/root/srv
rm -rf /mnt/root/boot
mkdir /mnt/root/boot
say snapshot btrfs subvolume snapshot -r /mnt/root /mnt/before
say clean umount /mnt
JOB
JUDGE_MODULES="$JUDGE_MODULES btrfs" JUDGE_TOOLS=btrfs
vm_check "btrfs, written by a kernel" converted_write "$tree" "$LAB/job" "root=$LAB/root.btrfs"
truncate -s 1600M "$LAB/disk"
printf 'label: gpt\nstart=1MiB,size=200MiB,type=L\nstart=201MiB,size=1390MiB,type=E6D6D379-F507-44C2-A23C-238F2A3DF928\n' | sfdisk -q "$LAB/disk"
dd if="$LAB/boot.ext4" of="$LAB/disk" bs=1M seek=1 conv=notrunc,sparse status=none
vm_check "a logical volume in two pieces" python3 tests/cli/lvm_disk.py "$LAB/disk" vg 201:1390 -- "root=$LAB/root.btrfs@0:400+900,0:0+400"
rm -f "$LAB"/*.btrfs "$LAB"/*.ext4
converted btrfs "$LAB/disk" "$tree"
rm -rf "$tree"
vm_end
