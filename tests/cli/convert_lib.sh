# shellcheck shell=sh disable=SC2034,SC2154
# convert_lib.sh: a distribution's disk as installers leave it, small, and what is in a converted one. Sourced after image_lib.sh.

esp_id=7C1B-44A2
boot_uuid=0b5c4a9e-6a0f-4bb0-9b8e-3a6a5a7b0001
root_uuid=0b5c4a9e-6a0f-4bb0-9b8e-3a6a5a7b0002
swap_uuid=0b5c4a9e-6a0f-4bb0-9b8e-3a6a5a7b0003

# make_distribution: folders "distribution" (the root) and "distribution.boot", with GRUB's and the kernel's leavings.
make_distribution() {
    mkdir -p distribution/etc/default distribution/etc/kernel/postinst.d distribution/etc/kernel/install.d distribution/usr/lib/kernel/install.d \
        distribution/sbin distribution/boot distribution/usr/lib/modules distribution/var distribution/home distribution.boot/grub
    : >distribution/sbin/init
    printf 'ID=debian\nPRETTY_NAME="A distribution"\n' >distribution/etc/os-release
    cp -r tree/lib/modules/6.12.0-test distribution/usr/lib/modules/
    printf 'GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX_DEFAULT="console=ttyS0,115200 root=/dev/vda1"\nGRUB_CMDLINE_LINUX=net.ifnames=0\n' \
        >distribution/etc/default/grub
    {
        echo '# /etc/fstab'
        echo "UUID=$root_uuid / ext4 errors=remount-ro 0 1"
        echo "UUID=$boot_uuid /boot ext4 defaults 0 2"
        echo "UUID=$esp_id /boot/efi vfat umask=0077 0 1"
        echo "UUID=$swap_uuid none swap sw 0 0"
        echo 'tmpfs /tmp tmpfs nosuid 0 0'
    } >distribution/etc/fstab
    echo "swap UUID=$swap_uuid none luks" >distribution/etc/crypttab
    printf '#!/bin/sh\nupdate-grub\n' >distribution/etc/kernel/postinst.d/zz-update-grub
    chmod 755 distribution/etc/kernel/postinst.d/zz-update-grub
    : >distribution/usr/lib/kernel/install.d/90-loaderentry.install
    # What only a file system that is kept as it is brings along.
    head -c 100000 /dev/urandom >distribution/var/one
    ln distribution/var/one distribution/var/two
    truncate -s 8M distribution/var/sparse
    printf x | dd of=distribution/var/sparse bs=1 seek=5000000 conv=notrunc status=none
    chmod 4755 distribution/var/one
    setfattr -n user.note -v kept distribution/var/one 2>/dev/null || :
    touch -d @1234567890 distribution/var/one
    make_kernel distribution.boot/vmlinuz-6.12.0-test
    echo CONFIG_X=y >distribution.boot/config-6.12.0-test
    head -c 200000 /dev/urandom >distribution.boot/initrd.img-6.12.0-test
    echo 'set default=0' >distribution.boot/grub/grub.cfg
}

# make_disk FILE: ESP, /boot, root and swap in a GPT, of those two folders.
make_disk() {
    rm -f part.*
    truncate -s 34M part.esp
    truncate -s 8M part.swap
    mkfs.vfat -F 32 -i "$(echo $esp_id | tr -d -)" part.esp >/dev/null
    mke2fs -q -F -t ext4 -U $boot_uuid -d distribution.boot part.boot 24M >/dev/null
    mke2fs -q -F -t ext4 -b 4096 -U $root_uuid -E root_owner=0:0 -d distribution part.root 96M >/dev/null
    mkswap -q -U $swap_uuid part.swap 2>/dev/null
    truncate -s 170M "$1"
    printf 'label: gpt\nstart=1MiB,size=34MiB,type=U\nstart=35MiB,size=24MiB,type=L\nstart=59MiB,size=96MiB,type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709\nstart=155MiB,size=8MiB,type=S\n' |
        sfdisk -q "$1"
    dd if=part.esp of="$1" bs=1M seek=1 conv=notrunc,sparse status=none
    dd if=part.boot of="$1" bs=1M seek=35 conv=notrunc,sparse status=none
    dd if=part.root of="$1" bs=1M seek=59 conv=notrunc,sparse status=none
    dd if=part.swap of="$1" bs=1M seek=155 conv=notrunc,sparse status=none
}

# open_root IMAGE KEY FILE: the plain root of a converted disk.
open_root() {
    start=$("$cloister" image inspect "$1" --json | jq '.partitions[1].offset')
    size=$("$cloister" image inspect "$1" --json | jq '.partitions[1].bytes')
    dd if="$1" of=root.luks bs=1M iflag=skip_bytes,count_bytes skip="$start" count="$size" conv=sparse status=none
    rm -f volume.key
    cryptsetup luksDump -q --dump-volume-key --volume-key-file volume.key --key-file "$2" root.luks >/dev/null 2>&1 || fail "no volume key of $1"
    python3 "$CLOISTER_TESTS/cli/decrypt.py" root.luks volume.key "$3"
}

# in_root FILE COMMAND: debugfs on it.
in_root() { debugfs -R "$2" "$1" 2>/dev/null; }
