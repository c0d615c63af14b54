#!/bin/sh
# Disks as Fedora, RHEL and Azure Linux lay them out, small: kernels below /usr/lib/modules, boot loader entries, kernel-install's
# plugins, SELinux labels. Tables and lists of files are those of their cloud images.
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
skip_without mke2fs mkfs.vfat mcopy jq sfdisk debugfs e2fsck cryptsetup python3
make_image_inputs
release=6.12.0-test
machine=0123456789abcdef0123456789abcdef
label=system_u:object_r:etc_t:s0

# convert DISK IMAGE [OPTION]…
# shellcheck disable=SC2317 # expect calls it
convert() {
    disk=$1 image=$2
    shift 2
    "$cloister" image convert "$disk" "$image" --stub "$stub" --key keys/db.key --cert keys/db.crt --varstore vars.fd \
        --disk-key disk.key --reuse-disk-key test --broker https://10.0.2.2:8443 --broker-key broker.pem --init "$init" "$@"
}

# make_root FOLDER ID: the files that we look at.
make_root() {
    mkdir -p "$1/etc/default" "$1/usr/sbin" "$1/usr/lib/kernel/install.d" "$1/usr/lib/modules" "$1/usr/lib/sysimage/rpm" "$1/boot"
    ln -s usr/sbin "$1/sbin"
    ln -s ../lib/systemd/systemd "$1/usr/sbin/init"
    printf 'ID=%s\nID_LIKE="fedora"\nPRETTY_NAME="%s"\n' "$2" "$2" >"$1/usr/lib/os-release"
    ln -s ../usr/lib/os-release "$1/etc/os-release"
    cp -r tree/lib/modules/$release "$1/usr/lib/modules/"
    make_kernel "$1/usr/lib/modules/$release/vmlinuz"
    echo "GRUB_CMDLINE_LINUX=\"console=ttyS0 from=grub\"" >"$1/etc/default/grub"
    for plugin in 20-grub 50-dracut 90-loaderentry 99-grub-mkconfig; do
        : >"$1/usr/lib/kernel/install.d/$plugin.install"
    done
    echo "$machine" >"$1/etc/machine-id"
}

# Fedora and RHEL: BIOS boot, ESP, /boot and root of their own, /boot of the type that systemd mounts without a line of fstab.
make_root fedora fedora
echo "UUID=$root_uuid / ext4 defaults 1 1" >fedora/etc/fstab
echo "UUID=$esp_id /boot/efi vfat umask=0077,shortname=winnt 0 2" >>fedora/etc/fstab
mkdir -p boot/loader/entries boot/grub2
cp fedora/usr/lib/modules/$release/vmlinuz boot/vmlinuz-$release
cp fedora/usr/lib/modules/$release/vmlinuz boot/vmlinuz-0-rescue-$machine
echo 0 >boot/.vmlinuz-$release.hmac
head -c 100000 /dev/urandom >boot/initramfs-$release.img
cat >boot/loader/entries/$machine-$release.conf <<EOT
title Fedora Linux ($release) 41 (Cloud Edition)
version $release
linux /vmlinuz-$release
initrd /initramfs-$release.img \$tuned_initrd
options root=UUID=$root_uuid ro console=tty1 console=ttyS0,115200n8 \$tuned_params
grub_class fedora
EOT
sed "s/$release/0-rescue-$machine/g; s/console=tty1/rescue=1/" boot/loader/entries/$machine-$release.conf >boot/loader/entries/$machine-0-rescue.conf
truncate -s 34M part.esp
mkfs.vfat -F 32 -i "$(echo $esp_id | tr -d -)" part.esp >/dev/null
mke2fs -q -F -t ext4 -U $boot_uuid -d boot part.boot 16M >/dev/null
mke2fs -q -F -t ext4 -b 4096 -U $root_uuid -E root_owner=0:0 -d fedora part.root 64M >/dev/null
for file in etc etc/fstab boot; do
    echo "ea_set $file security.selinux $label"
done | debugfs -w -f - part.root >/dev/null 2>&1
truncate -s 120M fedora.raw
printf 'label: gpt\nstart=1MiB,size=1MiB,type=21686148-6449-6E6F-744E-656564454649\nstart=2MiB,size=34MiB,type=U\nstart=36MiB,size=16MiB,type=BC13C2FF-59E6-4262-A352-B275FD6F7172,name=boot\nstart=52MiB,size=64MiB,type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709,name=root\n' |
    sfdisk -q fedora.raw
dd if=part.esp of=fedora.raw bs=1M seek=2 conv=notrunc,sparse status=none
dd if=part.boot of=fedora.raw bs=1M seek=36 conv=notrunc,sparse status=none
dd if=part.root of=fedora.raw bs=1M seek=52 conv=notrunc,sparse status=none
expect "Fedora" 0 "LUKS2" convert fedora.raw fedora.img
for words in "root: partition 4 (ext4, $root_uuid): has an init" "/boot: partition 3 (ext4, $boot_uuid): 3 files of kernels copied into the root" \
    "command line: of /boot/loader/entries: ro console=tty1 console=ttyS0,115200n8" "/etc/kernel/install.d/20-grub.install: masked" \
    "/etc/kernel/install.d/90-loaderentry.install: masked" "kernel: $release, /"; do
    grep -qF "$words" out || fail "Fedora: does not say '$words': $(cat out)"
done
open_root fedora.img disk.key plain.ext4
e2fsck -fn plain.ext4 >e2fsck.log 2>&1 || fail "e2fsck: $(cat e2fsck.log)"
for file in etc/fstab boot/vmlinuz-$release etc/kernel etc/kernel/install.d etc/kernel/install.d/20-grub.install; do
    in_root plain.ext4 "ea_list $file" | grep -q "security.selinux.*$label" || fail "$file: label: $(in_root plain.ext4 "ea_list $file")"
done
in_root plain.ext4 'stat etc/kernel/install.d/50-dracut.install' | grep -q '/dev/null' && fail "dracut's plugin is masked"
in_root plain.ext4 'ls boot' | grep -q initramfs && fail "an initrd was copied"

# Azure Linux: BIOS boot, ESP, and one file system with all else; no entries.
make_root azurelinux azurelinux
cp azurelinux/usr/lib/modules/$release/vmlinuz azurelinux/boot/vmlinuz-$release
echo "PARTUUID=0b5c4a9e-6a0f-4bb0-9b8e-3a6a5a7b0009 / ext4 defaults 0 1" >azurelinux/etc/fstab
rm -f part.root
mke2fs -q -F -t ext4 -b 4096 -U $root_uuid -E root_owner=0:0 -d azurelinux part.root 64M >/dev/null
truncate -s 90M azurelinux.raw
printf 'label: gpt\nstart=1MiB,size=8MiB,type=21686148-6449-6E6F-744E-656564454649\nstart=9MiB,size=8MiB,type=U\nstart=17MiB,size=64MiB,type=L,uuid=0b5c4a9e-6a0f-4bb0-9b8e-3a6a5a7b0009\n' |
    sfdisk -q azurelinux.raw
dd if=part.root of=azurelinux.raw bs=1M seek=17 conv=notrunc,sparse status=none
expect "Azure Linux" 0 "LUKS2" convert azurelinux.raw azurelinux.img
grep -q 'command line: of /etc/default/grub: console=ttyS0 from=grub' out || fail "Azure Linux: $(cat out)"
open_root azurelinux.img disk.key plain.ext4
in_root plain.ext4 'cat etc/fstab' | grep -q '^/dev/mapper/root / ext4 defaults 0 1' || fail "Azure Linux: fstab"
exit "$failed"
