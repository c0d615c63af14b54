#!/bin/bash
# make.sh FOLDER: makes the disks of this folder anew, in FOLDER: what mkfs.btrfs of btrfs-progs 6.12 or later writes, which the one of Debian 12
# does not: subvolumes and compressed extents. $MKFS names another mkfs.btrfs. Each is a file system's sectors that are not zeros, each after its number.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
cd "$1"
work=$(mktemp -d "$PWD/make.XXXXXX")
trap 'rm -rf "$work"' EXIT
uuid=0b5c4a9e-6a0f-4bb0-9b8e-3a6a5a7b0002

# system FOLDER: what is in each root.
system() {
    mkdir -p "$1"/{etc/default,sbin,boot,var/lib,usr/lib/modules/6.12.0-test/kernel,data}
    : >"$1/sbin/init"
    printf 'ID=test\nPRETTY_NAME="A distribution"\n' >"$1/etc/os-release"
    echo 'GRUB_CMDLINE_LINUX="console=ttyS0 rootflags=subvol=@ root=UUID=1"' >"$1/etc/default/grub"
    printf 'kernel/dm-mod.ko\nkernel/dm-crypt.ko\nkernel/xts.ko\nkernel/dm-integrity.ko\nkernel/authenc.ko\n' >"$1/usr/lib/modules/6.12.0-test/modules.builtin"
    PATH=$PATH:/sbin:/usr/sbin depmod -b "$1/usr" 6.12.0-test 2>/dev/null || PATH=$PATH:/sbin:/usr/sbin depmod -b "$1" -m /usr/lib/modules 6.12.0-test
    # What we look at of a kernel: its header, and the release that it names.
    {
        head -c 514 /dev/zero
        printf 'HdrS'
        head -c 8 /dev/zero
        printf '\020\000'
        printf '6.12.0-test (a@b) #1\000'
        head -c 5000 /dev/zero | tr '\000' k
    } >"$1/boot/vmlinuz-6.12.0-test"
    seq 1 30000 >"$1/data/text"
    seq 1 300 >"$1/data/inline"
    { seq 1 3000 && head -c 60000 /dev/zero && seq 5000 9000; } >"$1/data/mixed"
    truncate -s 9M "$1/data/sparse"
    printf here | dd of="$1/data/sparse" bs=1 seek=7000000 conv=notrunc status=none
    ln "$1/data/text" "$1/data/second"
    ln -s ../etc/fstab "$1/data/link"
    ln -s "$(printf 'x%.0s' $(seq 1 1500))" "$1/data/longlink"
    mkfifo "$1/data/pipe"
    chown 7:70000 "$1/data/mixed"
    chmod 4755 "$1/data/mixed"
    python3 "$here/attributes.py" "$1/data"
    find "$1" -exec touch -h -d @1700000000 {} +
    touch -d @1234567890 "$1/data/text"
}

# disk NAME COMPRESSION SUBVOLUME…
disk() {
    local name=$1 compression=$2 options=()
    shift 2
    for subvolume; do options+=(--subvol "$subvolume"); done
    truncate -s 112M "$work/disk"
    "${MKFS:-mkfs.btrfs}" -q -n 4096 -m single -d single -U $uuid --rootdir "$work/$name" --compress "$compression" "${options[@]}" "$work/disk"
    python3 "$here/sectors.py" pack "$work/disk" | xz -9e >"$name.xz"
    rm "$work/disk"
}

# Ubuntu's: @ and @home from the top; systemd's subvolume for machines in it.
system "$work/ubuntu/@"
mkdir -p "$work/ubuntu/@/var/lib/machines" "$work/ubuntu/@home/user"
echo 'of a machine' >"$work/ubuntu/@/var/lib/machines/file"
seq 1 5000 >"$work/ubuntu/@home/user/file"
printf 'UUID=%s / btrfs defaults,subvol=@,compress=zstd,noatime 0 1\nUUID=%s /home btrfs subvol=/@home,compress=zstd 0 2\n' $uuid $uuid >"$work/ubuntu/@/etc/fstab"
disk ubuntu zstd rw:@ rw:@home rw:@/var/lib/machines

# openSUSE's: the root is the first snapshot, and the default; the rest lies next to it.
top=$work/opensuse/@
system "$top/.snapshots/1/snapshot"
mkdir -p "$top/home/user" "$top/opt" "$top/boot/grub2/x86_64-efi"
seq 1 5000 >"$top/home/user/file"
echo module >"$top/boot/grub2/x86_64-efi/module"
{
    echo "UUID=$uuid / btrfs defaults 0 0"
    for folder in home opt boot/grub2/x86_64-efi .snapshots; do echo "UUID=$uuid /$folder btrfs subvol=/@/$folder 0 0"; done
} >"$top/.snapshots/1/snapshot/etc/fstab"
disk opensuse lzo rw:@ rw:@/.snapshots default:@/.snapshots/1/snapshot rw:@/home rw:@/opt rw:@/boot/grub2/x86_64-efi

# Two that are roots, and nothing that says which; compressed by zlib.
system "$work/two/first"
system "$work/two/second"
disk two zlib rw:first rw:second
