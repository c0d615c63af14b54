#!/bin/bash
# An update in a guest that runs, under QEMU with OVMF and swtpm: the first boot by attestation; a second UKI installed from
# inside, tried by BootNext, unattended, and kept; one whose kernel panics, and the boot after it, unattended; the first UKI with
# its own header once the floor was raised: refused.
# shellcheck source=tests/vm/vm.sh
. "$(dirname "$0")/vm.sh"

PATH=$PATH:/usr/sbin:/sbin
for tool in debugfs depmod ldd; do
    command -v "$tool" >/dev/null || { echo "SKIP: $tool is not installed" && exit 77; }
done
LAB_TIMEOUT=900 # several boots on a busy machine
lab_begin build/lab/test-update
lab_keys
lab_broker_start
# A kernel that panics starts the machine again.
cmdline="$LAB_CMDLINE panic=1"
release=$(lab_kernel_release)
kernel=$LAB_CACHE/kernel
host=$LAB/inside

# The image's own initrd and command line do not depend on its root: other UKIs of them are made first.
lab_image "$LAB/first.img" "$cmdline" --unlock tpm-or-broker
mcopy -n -i "$LAB/first.img@@$(lab_esp_offset "$LAB/first.img")" ::/EFI/BOOT/BOOTX64.EFI "$LAB/first.efi"
cloister uki inspect "$LAB/first.efi" --extract ".initrd:$LAB/initrd" --extract ".cmdline:$LAB/cmdline" >/dev/null
head -c 100000 /dev/urandom >"$LAB/noise"
other_uki() {
    printf 'ID=%s\n' "$1" >"$LAB/$1.osrel"
    cloister uki build --kernel "$kernel/vmlinuz" --initrd "$2" --cmdline "@$LAB/cmdline" --os-release "$LAB/$1.osrel" \
        --stub "$kernel/stub.efi" --key "$LAB/keys/db.key" --cert "$LAB/keys/db.crt" --output "$host/opt/$1.efi" >/dev/null
}

# What goes into the root: the program with its libraries, what it takes to mount an ESP, the UKIs, and what runs at each boot.
mkdir -p "$host/opt/lib" "$host/etc/systemd/system" "$host/usr/lib/modules/$release"
other_uki second "$LAB/initrd"
other_uki broken "$LAB/noise"
cp "$LAB_BUILD/cli/cloister-full" "$host/opt/"
ldd "$LAB_BUILD/cli/cloister-full" | grep -o '/[^ ]*' | while read -r library; do cp -L "$library" "$host/opt/lib/"; done
# What is loaded by name.
find /usr/lib /lib -name 'libtss2-tcti-device.so*' -exec cp -L {} "$host/opt/lib/" \; 2>/dev/null || true
for module in fat/fat fat/vfat nls/nls_cp437 nls/nls_ascii; do
    mkdir -p "$host/usr/lib/modules/$release/kernel/fs/${module%/*}"
    cp "$kernel/lib/modules/$release/kernel/fs/$module".ko* "$host/usr/lib/modules/$release/kernel/fs/${module%/*}/"
done
cp "$kernel/lib/modules/$release"/modules.{builtin,order} "$host/usr/lib/modules/$release/"
mkdir -p "$LAB/depmod/lib" && cp -r "$host/usr/lib/modules" "$LAB/depmod/lib/"
depmod -b "$LAB/depmod" "$release" && cp "$LAB/depmod/lib/modules/$release"/modules.* "$host/usr/lib/modules/$release/"
cat >"$host/opt/at-boot" <<'END'
#!/bin/sh
exec >/dev/console 2>&1
stage=$(cat /var/stage 2>/dev/null || echo 0)
echo "$((stage + 1))" >/var/stage
cloister() { /opt/lib/ld-linux-x86-64.so.2 --library-path /opt/lib /opt/cloister-full "$@" && echo "at-boot: $1 $2: yes" || echo "at-boot: $1 $2: no"; }
modprobe -a vfat nls_cp437 nls_ascii
case $stage in
0) cloister update --uki /opt/second.efi ;;
1)
    cloister update --status
    cloister update --mark-good
    cloister update --uki /opt/broken.efi
    ;;
*) cloister update --mark-good ;;
esac
sync
echo "at-boot: end"
END
chmod +x "$host/opt/at-boot"
printf '[Unit]\nAfter=multi-user.target\n[Service]\nType=oneshot\nExecStart=/opt/at-boot\n' >"$host/etc/systemd/system/at-boot.service"
cp --sparse=always "$LAB_CACHE/root.ext4" "$LAB/root.ext4"
{
    (cd "$host" && find . -mindepth 1 -type d | sed 's/^\.\///; s/^/mkdir /')
    (cd "$host" && find . -type f | sed "s|^\./\(.*\)|write $host/\1 \1|")
    echo "set_inode_field opt/at-boot mode 0100755"
    echo "set_inode_field opt/lib/ld-linux-x86-64.so.2 mode 0100755"
    echo "symlink etc/systemd/system/multi-user.target.wants/at-boot.service ../at-boot.service"
} >"$LAB/commands"
debugfs -w -f "$LAB/commands" "$LAB/root.ext4" >"$LAB/debugfs.log" 2>&1
rm "$LAB/first.img"
LAB_ROOT=$LAB/root.ext4 lab_image "$LAB/demo.img" "$cmdline" --unlock tpm-or-broker
lab_calibrate
lab_register demo

told() { jq -e -s --arg kind "$2" 'any(.[]; .kind == $kind)' "$LAB/$1.jsonl" >/dev/null; }
says() { tr -d '\r' <"$LAB/$1.log" | grep -aqF -e "$2"; }
runs() { lab_boot "$1" "$LAB/demo.img" --until 'at-boot: end'; }

vm_check "first boot, by the broker" runs first
vm_check "an update is installed" says first 'installed: the next boot tries it'
lab_end # the broker is gone
root=$(lab_root_offset "$LAB/demo.img")
dd if="$LAB/demo.img" of="$LAB/first.header" bs=1M skip="$root" count=16 iflag=skip_bytes status=none
vm_check "the new one boots" runs second
vm_check "unattended" told second unattended
vm_check "it is the new one" says second 'this boot is of the update'
vm_check "it is kept" says second 'the update is good'
vm_check "another is installed" says second 'installed: the next boot tries it'

panics() { ! lab_boot broken "$LAB/demo.img" && says broken 'Kernel panic'; }
vm_check "its kernel panics" panics
vm_check "the boot after it is of the system of before" runs third
vm_check "unattended" told third unattended
vm_check "the update is dropped" says third 'the update did not boot: it is dropped'

# Everything of then: UKI and header. The TPM alone has moved on.
lab_replace_uki "$LAB/demo.img" "$LAB/first.efi" "$LAB/old.img"
dd if="$LAB/first.header" of="$LAB/old.img" bs=1M seek="$root" oflag=seek_bytes conv=notrunc status=none
refused() { ! lab_boot old "$LAB/old.img" --snapshot; }
vm_check "the first system, with its header, is refused" refused
vm_check "by the floor" says old "the TPM's floor was raised to"
vm_end
