#!/bin/bash
# An update in a guest that runs, under QEMU with OVMF and swtpm: the first boot by attestation; the UKI of a newer kernel, made and
# signed in the guest as a package manager's hook does, tried by BootNext, unattended, and kept by its service; one whose kernel
# panics; one that the host exchanged, which gets no key and starts the machine again; after both the system of before, unattended;
# the first UKI with its own header once the floor was raised: refused.
# shellcheck source=tests/vm/vm.sh
. "$(dirname "$0")/vm.sh"

PATH=$PATH:/usr/sbin:/sbin
for tool in debugfs depmod ldd; do
    command -v "$tool" >/dev/null || { echo "SKIP: $tool is not installed" && exit 77; }
done
why=$(lab_fetch_old_kernel 2>&1) || { echo "SKIP: $why" && exit 77; }
LAB_TIMEOUT=900 # several boots on a busy machine
vm_ground update
# A kernel that panics starts the machine again.
cmdline="$LAB_CMDLINE panic=1"
kernel=$LAB_CACHE/kernel old=$LAB_CACHE/old
release=$(lab_kernel_release) old_release=$(ls "$old/lib/modules")
host=$LAB/inside

# other_uki NAME INITRD CMDLINE FILE: of the older kernel, as the image is.
other_uki() {
    printf 'ID=%s\n' "$1" >"$LAB/$1.osrel"
    cloister uki build --kernel "$old/vmlinuz" --initrd "$2" --cmdline "$3" --os-release "$LAB/$1.osrel" \
        --stub "$kernel/stub.efi" --key "$LAB/keys/db.key" --cert "$LAB/keys/db.crt" --output "$4" >/dev/null
}

# What goes into the root: the program with its libraries, the newer kernel, what makes its UKI, what it takes to mount an ESP under
# the older one, a UKI that panics, and what runs at each boot.
units=$host/etc/systemd/system
mkdir -p "$host/opt/lib" "$host/usr/local/bin" "$units/cloister-update-good.service.d" "$host/etc/cloister" "$host/etc/ld.so.conf.d" "$host/usr/lib/modules/$old_release"
cp "$LAB_BUILD/cli/cloister-full" "$LAB_INIT" packaging/guest/update-hook "$kernel/stub.efi" "$LAB/keys/db.key" "$LAB/keys/db.crt" "$host/opt/"
ldd "$LAB_BUILD/cli/cloister-full" "$LAB_INIT" | grep -o '/[^ :]*' | grep '\.so' | while read -r library; do cp -L "$library" "$host/opt/lib/"; done
echo /opt/lib >"$host/etc/ld.so.conf.d/00-opt.conf" # where the new initrd has cloister-init's libraries from
# What is loaded by name.
find /usr/lib /lib -name 'libtss2-tcti-device.so*' -exec cp -L {} "$host/opt/lib/" \; 2>/dev/null || true
cp -r "$kernel/lib/modules/$release" "$host/usr/lib/modules/"
rm -f "$host/usr/lib/modules/$release"/{build,source}
cp "$kernel/vmlinuz" "$host/usr/lib/modules/$release/"
for module in fat/fat fat/vfat nls/nls_cp437 nls/nls_ascii; do
    mkdir -p "$host/usr/lib/modules/$old_release/kernel/fs/${module%/*}"
    cp "$old/lib/modules/$old_release/kernel/fs/$module".ko* "$host/usr/lib/modules/$old_release/kernel/fs/${module%/*}/"
done
cp "$old/lib/modules/$old_release"/modules.{builtin,order} "$host/usr/lib/modules/$old_release/"
mkdir -p "$LAB/depmod/lib/modules" && cp -r "$host/usr/lib/modules/$old_release" "$LAB/depmod/lib/modules/"
depmod -b "$LAB/depmod" "$old_release" && cp "$LAB/depmod/lib/modules/$old_release"/modules.* "$host/usr/lib/modules/$old_release/"
head -c 100000 /dev/urandom >"$LAB/noise"
other_uki broken "$LAB/noise" "$cmdline" "$host/opt/broken.efi"

good=$LAB_BUILD/packaging/cloister-update-good.service
program=$host$(sed -n 's/^ExecStart=\([^ ]*\) .*/\1/p' "$good")
mkdir -p "$(dirname "$program")"
# shellcheck disable=SC2016 # the script's own
printf '#!/bin/sh\nexec /opt/lib/ld-linux-x86-64.so.2 --library-path /opt/lib /opt/cloister-full "$@"\n' >"$program"
# shellcheck disable=SC2016 # the script's own
printf '#!/bin/sh\nexec %s uki sign "$1" --key /opt/db.key --cert /opt/db.crt --output "$2"\n' "${program#"$host"}" >"$host/opt/sign"
echo 'CLOISTER_UPDATE="--sign-command /opt/sign --stub /opt/stub.efi --init /opt/cloister-init"' >"$host/etc/cloister/update.conf"
cp "$good" "$units/"
printf '[Service]\nStandardOutput=journal+console\nStandardError=journal+console\n' >"$units/cloister-update-good.service.d/console.conf"
cat >"$host/opt/at-boot" <<END
#!/bin/sh
exec >/dev/console 2>&1
PATH=$(dirname "${program#"$host"}"):\$PATH
stage=\$(cat /var/stage 2>/dev/null || echo 0)
echo "\$((stage + 1))" >/var/stage
echo "at-boot: stage \$stage: kernel \$(uname -r)"
cloister update --status
case \$stage in
0) /opt/update-hook ;;
1 | 2) cloister update --uki /opt/broken.efi ;;
esac
echo "at-boot: partitions: \$(echo /dev/vda?*)"
sync
echo "at-boot: end"
END
printf '[Unit]\nAfter=multi-user.target\n[Service]\nType=oneshot\nExecStart=/opt/at-boot\n' >"$units/at-boot.service"
cp --sparse=always "$LAB_CACHE/root.ext4" "$LAB/root.ext4"
{
    (cd "$host" && find . -mindepth 1 -type d | sed 's/^\.\///; s/^/mkdir /')
    (cd "$host" && find . -type f | sed "s|^\./\(.*\)|write $host/\1 \1|")
    for file in opt/at-boot opt/sign opt/update-hook opt/lib/ld-linux-x86-64.so.2 "${program#"$host/"}"; do
        echo "set_inode_field $file mode 0100755"
    done
    for unit in at-boot cloister-update-good; do
        echo "symlink etc/systemd/system/multi-user.target.wants/$unit.service ../$unit.service"
    done
} >"$LAB/commands"
debugfs -w -f "$LAB/commands" "$LAB/root.ext4" >"$LAB/debugfs.log" 2>&1
LAB_ROOT=$LAB/root.ext4 lab_image "$LAB/demo.img" "$cmdline" --unlock tpm-or-broker --kernel "$old/vmlinuz" --modules "$old/lib/modules/$old_release"
lab_take_uki "$LAB/demo.img" "$LAB/first.efi"
cloister uki inspect "$LAB/first.efi" --extract ".initrd:$LAB/initrd" --extract ".cmdline:$LAB/cmdline" >/dev/null
other_uki exchanged "$LAB/initrd" "@$LAB/cmdline" "$LAB/exchanged.efi"
lab_register demo

runs() { lab_boot "$1" "$LAB/demo.img" --until 'at-boot: end'; }
# registers NAME: at a boot's begin; not 10, which is IMA's.
registers() { jq -c 'select(.kind == "eventlog").pcrs.sha256 | del(."10")' "$LAB/$1.jsonl"; }
next=EFI/cloister/next.efi

vm_check "first boot, by the broker" runs first
vm_check "of the older kernel" vm_says first "kernel $old_release"
vm_check "an update is made, signed and installed" vm_says first 'installed: the next boot tries it'
lab_end # the broker is gone
root=$(lab_root_offset "$LAB/demo.img")
dd if="$LAB/demo.img" of="$LAB/first.header" bs=1M skip="$root" count=16 iflag=skip_bytes status=none
same_cmdline() {
    mcopy -n -i "$LAB/demo.img@@$(lab_esp_offset "$LAB/demo.img")" "::/$next" "$LAB/second.efi" &&
        cloister uki inspect "$LAB/second.efi" --extract ".cmdline:$LAB/second.cmdline" >/dev/null && cmp -s "$LAB/cmdline" "$LAB/second.cmdline"
}
vm_check "with the command line that was measured" same_cmdline
vm_check "the kernel has forgotten the ESP again" vm_says first 'partitions: /dev/vda2'
vm_check "the new one boots" runs second
vm_check "unattended" vm_told second unattended
vm_check "it is the new one" vm_says second "kernel $release"
vm_check "its service keeps it" vm_says second 'the update is good'
vm_check "another is installed" vm_says second 'installed: the next boot tries it'

panics() { ! lab_boot broken "$LAB/demo.img" && vm_says broken 'Kernel panic'; }
vm_check "its kernel panics" panics
vm_check "the boot after it is of the system of before" runs third
vm_check "unattended" vm_told third unattended
vm_check "the update is dropped" vm_says third 'the update did not boot: it is dropped'
as_tried() { [ -n "$(registers second)" ] && [ "$(registers second)" = "$(registers third)" ]; }
vm_check "no register tells the trial from a usual boot" as_tried

mcopy -o -i "$LAB/demo.img@@$(lab_esp_offset "$LAB/demo.img")" "$LAB/exchanged.efi" "::/$next"
gets_no_key() { ! lab_boot exchanged "$LAB/demo.img"; }
vm_check "one that the host exchanged gets no key" gets_no_key
vm_check "by its registers" vm_says exchanged 'PCR 4, PCR 11 differ'
vm_check "and starts the machine again" vm_says exchanged 'this boot was a trial: the machine starts again'
vm_check "the boot after it is of the system of before" runs fourth
vm_check "unattended" vm_told fourth unattended
vm_check "the update is dropped" vm_says fourth 'the update did not boot: it is dropped'

# Everything of then: UKI and header. The TPM alone has moved on.
lab_replace_uki "$LAB/demo.img" "$LAB/first.efi" "$LAB/old.img"
dd if="$LAB/first.header" of="$LAB/old.img" bs=1M seek="$root" oflag=seek_bytes conv=notrunc status=none
refused() { ! lab_boot old "$LAB/old.img" --snapshot; }
vm_check "the first system, with its header, is refused" refused
vm_check "by the floor" vm_says old "the TPM's floor was raised to"
usual_stops() { ! vm_says old 'this boot was a trial'; }
vm_check "and it stays off: it was no trial" usual_stops
vm_end
