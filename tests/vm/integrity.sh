#!/bin/bash
# Roots with tags, judged by a guest with device-mapper: stock cryptsetup opens what was written without it, reads it to the last sector,
# mounts it, writes to it and opens it again; a byte that was changed is an error there. What cryptsetup makes, we read. Then an image with
# tags boots by attestation, twice; put back as it was before, and with a byte changed, it is refused by name.
# shellcheck source=tests/vm/vm.sh
. "$(dirname "$0")/vm.sh"
# shellcheck source=tests/vm/judge_lib.sh
. tests/vm/judge_lib.sh

for tool in busybox cryptsetup integritysetup veritysetup dmsetup modprobe xz debugfs; do
    PATH=$PATH:/usr/sbin:/sbin command -v $tool >/dev/null || { echo "SKIP: $tool is not installed" && exit 77; }
done
PATH=$PATH:/usr/sbin:/sbin
vm_ground integrity

# --- Judged ---

mkdir -p "$LAB/tree/sbin" "$LAB/tree/etc" "$LAB/tree/usr/bin"
: >"$LAB/tree/sbin/init"
echo 'ID=test' >"$LAB/tree/etc/os-release"
head -c 3000000 /dev/urandom >"$LAB/tree/usr/bin/program"
mke2fs -q -F -t ext4 -b 4096 -d "$LAB/tree" "$LAB/tree.ext4" 20M
head -c 64 /dev/urandom >"$LAB/small.key"
# take SIZE: the LUKS2 partition of small$SIZE.img, its volume key and its payload by our own reader.
take() { vm_take "small$1" "$1" && vm_tags "$1" "$LAB/small.key"; }
for size in 512 4096; do
    vm_check "an image, sectors of $size" lab_image_of "$LAB/tree.ext4" "$LAB/small$size.img" quiet --integrity hmac-sha256 --sector-size $size \
        --disk-key "$LAB/small.key" --reuse-disk-key "two for one test" --osrel "$LAB/tree/etc/os-release"
    vm_check "its payload" take $size
done
for size in 512 4096; do
    vm_check "an image by GCM, sectors of $size" lab_image_of "$LAB/tree.ext4" "$LAB/smallg$size.img" quiet --integrity aes-gcm --sector-size $size \
        --disk-key "$LAB/small.key" --reuse-disk-key "four for one test" --osrel "$LAB/tree/etc/os-release"
    vm_check "its payload" take g$size
done
cp --sparse=always "$LAB/4096.luks" "$LAB/evil.luks"
changed=$(($(stat -c %s "$LAB/evil.luks") - 3000000))
printf '\377\377' | dd of="$LAB/evil.luks" bs=1 seek=$changed conv=notrunc status=none
truncate -s 40M "$LAB/theirs.luks" "$LAB/theirs_gcm.luks"
cat >"$LAB/job" <<'JOB'
for size in 512 4096 g512 g4096; do
    device=$(disk d$size)
    say open$size cryptsetup open --key-file /disk.key "$device" m$size
    say read$size sha256sum /dev/mapper/m$size
    say mount$size mount -t ext4 /dev/mapper/m$size /mnt
    say file$size sha256sum /mnt/usr/bin/program
    say write$size dd if=/mnt/usr/bin/program of=/mnt/copy bs=4096 conv=fsync
    umount /mnt
    say close$size cryptsetup close m$size
    say again$size cryptsetup open --key-file /disk.key "$device" m$size
    mount -t ext4 /dev/mapper/m$size /mnt
    say copy$size cmp /mnt/copy /mnt/usr/bin/program
    umount /mnt
    cryptsetup close m$size
done
dd if="$(disk d512)" of=/run/header bs=1M count=16 2>/dev/null
say detached cryptsetup open --header /run/header --key-file /disk.key "$(disk d512)" detached
say evil cryptsetup open --key-file /disk.key "$(disk evil)" evil
say evilread dd if=/dev/mapper/evil of=/dev/null bs=4096
dmesg >/run/dmesg
say evillog grep 'INTEGRITY AEAD ERROR' /run/dmesg
say make cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --cipher aes-xts-plain64 --key-size 512 \
    --integrity hmac-sha256 --sector-size 4096 "$(disk theirs)" /disk.key
say make_gcm cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --cipher aes-gcm-random --key-size 256 \
    --integrity aead --sector-size 4096 "$(disk theirs_gcm)" /disk.key
JOB
mkdir -p "$LAB/judge/root"
cp "$LAB/small.key" "$LAB/judge/root/disk.key"
vm_check "a guest for the judges" judge_initrd "$LAB/judge" "$LAB/job"
vm_check "it comes up and ends" judge "$LAB/judge" "d512=$LAB/512.luks" "d4096=$LAB/4096.luks" \
    "dg512=$LAB/g512.luks" "dg4096=$LAB/g4096.luks" "evil=$LAB/evil.luks" "theirs=$LAB/theirs.luks" "theirs_gcm=$LAB/theirs_gcm.luks"
for size in 512 4096 g512 g4096; do
    for step in open mount write close again copy; do
        vm_check "cryptsetup, $size: $step" judged "$LAB/judge" $step$size 0
    done
    vm_check "every sector is read, $size" judged "$LAB/judge" read$size 0 "$(sha256sum "$LAB/$size.plain" | cut -d ' ' -f 1)"
    vm_check "its file, $size" judged "$LAB/judge" file$size 0 "$(sha256sum "$LAB/tree/usr/bin/program" | cut -d ' ' -f 1)"
done
vm_check "by a detached header" judged "$LAB/judge" detached 0
vm_check "a byte that was changed: opens" judged "$LAB/judge" evil 0
vm_check "and is an error" judged "$LAB/judge" evilread 1 "Input/output error"
vm_check "which the kernel names" judged "$LAB/judge" evillog 0 "INTEGRITY AEAD ERROR, sector"
# What cryptsetup made: its tags are where ours would be, a guest would take its header, and a recovery key that we add opens it.
# accepted NAME WORDS
accepted() { { cloister image inspect "$LAB/$1.luks" || true; } | grep -F "$2, 4096-byte sectors, 1 key slots: a guest opens it"; }
recovered() {
    cloister recovery enroll "$LAB/$1.luks" --key "$LAB/small.key" | sed -n 's/^recovery *//p' | tr -d '\n' >"$LAB/typed" &&
        cloister recovery check "$LAB/$1.luks" --recovery-key "$LAB/typed" | grep -F 'opens key slot 1' &&
        cryptsetup open --test-passphrase --key-file "$LAB/typed" "$LAB/$1.luks"
}
theirs() {
    vm_check "cryptsetup makes one: $2" judged "$LAB/judge" "$3" 0
    vm_check "its tags are as ours: $2" vm_tags "$1" "$LAB/small.key" used
    vm_check "a guest would open it: $2" accepted "$1" "$2"
    vm_check "with a recovery key of ours: $2" recovered "$1"
}
theirs theirs 'aes-xts-plain64, hmac(sha256)' make
theirs theirs_gcm 'aes-gcm-random, aead' make_gcm

# --- Booted ---

lab_image "$LAB/demo.img" "$LAB_CMDLINE" --integrity hmac-sha256
lab_register demo
lab_keep_copy
vm_check "first boot" lab_boot first "$LAB/demo.img"
vm_check "registers" lab_compare first enter-initrd
vm_check "second boot" lab_boot second "$LAB/demo.img"
vm_check "an old copy is refused by name" lab_attack rolled_back "an old copy of this disk"

# The first block of the root's file system, the superblock of ext4, of a disk that was never booted: what is in dm-integrity's journal is
# put back at the next start, and a change of it with it.
change_root() {
    local tags=$(($(lab_root_offset "$LAB/before.img") + 16777216)) data
    data=$(python3 - "$LAB/before.img" "$tags" <<'PY'
import struct, sys
with open(sys.argv[1], "rb") as image:
    image.seek(int(sys.argv[2]))
    sections = struct.unpack("<I", image.read(16)[12:16])[0]
print((8 + sections * 264 + 256) * 512)
PY
    )
    printf '\377\377' | dd of="$LAB/before.img" bs=1 seek=$((tags + data + 2000)) conv=notrunc status=none
}
refused() { ! lab_boot "$1" "$LAB/before.img" >"$LAB/$1.out" 2>&1 && tr -d '\r' <"$LAB/$1.log" | grep -F -- "$2"; }
change_root
lab_register demo
vm_check "a byte that was changed" refused changed "root disk: sector 0: its tag does not hold"
vm_check "and the broker was told" grep -aqF "the broker was told" "$LAB/changed.log"
in_audit_log() { cloister audit-log show --state "$LAB/broker" --json | jq -es 'any(.. | objects; .action? == "tag-errors" and .verdict == "reported" and (.detail | endswith("the first is 0")))' >/dev/null; }
vm_check "which keeps it in its audit log" in_audit_log

lab_image "$LAB/demo.img" "$LAB_CMDLINE" --integrity aes-gcm
lab_register demo
vm_check "GCM: first boot" lab_boot gcm "$LAB/demo.img"
vm_check "GCM: registers" lab_compare gcm enter-initrd
vm_check "GCM: second boot" lab_boot gcm_again "$LAB/demo.img"
vm_end
