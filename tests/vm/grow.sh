#!/bin/bash
# A root that grows into a larger disk at its first boot: table, partition, tags and file system, with PCR 5 as predicted before and after it.
# What the power may leave behind (a table that was half written; a table, and nothing else) is finished by the next boot. Others' tools
# find the table and the file system whole; all tags hold. A disk of another size stays as it is.
# shellcheck source=tests/vm/vm.sh
. "$(dirname "$0")/vm.sh"
PATH=$PATH:/usr/sbin:/sbin
for tool in sgdisk cryptsetup e2fsck dumpe2fs python3 jq; do
    command -v $tool >/dev/null || { echo "SKIP: $tool is not installed" && exit 77; }
done
vm_ground grow
bytes=$((900 * 1048576 + 1048576 / 2)) # no multiple of anything but 512 KiB

# make NAME [OPTION]…: an image as $LAB/NAME.img, its key at the broker for both states, and a copy of it on a larger disk.
make() {
    local name=$1
    shift
    rm -f "$LAB/demo".*
    lab_image "$LAB/demo.img" "$LAB_CMDLINE" --grow 2G --grow $bytes "$@" || return
    mv "$LAB/demo-$((bytes / 1024))K.ref.json" "$LAB/grown.ref.json"
    key=$LAB/disk.key
    [ ! -e "$LAB/demo.disk.key" ] || key=$LAB/demo.disk.key
    register && larger "$name"
}
# The image's disk at the broker, as one that was never used, with the terms for both states.
register() {
    cloister key remove --state "$LAB/broker" default/disk/demo 2>/dev/null || true
    lab_policy && cloister key put --state "$LAB/broker" default/disk/demo "$key" --policy "$LAB/policy.json" --disk "$LAB/demo.disk.json" \
        --forget-generation --reference "$LAB/demo.ref.json" --reference "$LAB/grown.ref.json" --reference "$LAB/firmware.ref.json" >/dev/null 2>&1
}
larger() { cp --sparse=always "$LAB/demo.img" "$LAB/$1.img" && truncate -s $bytes "$LAB/$1.img"; }
# compare BOOT REFERENCE: the registers are those of that file.
compare() {
    LAB_REFERENCE=$2 lab_compare "$1" enter-initrd
}
table_holds() { sgdisk -v "$LAB/$1.img" >"$LAB/$1.sgdisk" 2>&1 && grep -q 'No problems found' "$LAB/$1.sgdisk"; }
grown_to() { jq -es --argjson least $((bytes * 85 / 100)) 'any(.[]; .kind == "grown" and .to > $least)' "$LAB/$1.jsonl" >/dev/null; }

# --- Without tags ---

vm_check "an image that may grow" make plain
vm_check "first boot" lab_boot first "$LAB/plain.img"
vm_check "its registers are the image's" compare first demo
vm_check "the table is written" vm_says first "the partition table was written for the larger disk"
vm_check "the file system is grown" grown_to first
vm_check "the table holds" table_holds plain
vm_check "second boot" lab_boot second "$LAB/plain.img"
vm_check "its registers are the grown disk's" compare second grown
vm_check "it has nothing to do" vm_says_not second "root: grown"
vm_check "nor to write" vm_says_not second "the partition table was written"

# What the power may leave: the backup, and half of the table, which firmware mends; or all of the table, and nothing else.
dd if="$LAB/plain.img" of="$LAB/head" bs=512 count=34 status=none
dd if="$LAB/plain.img" of="$LAB/tail" bs=512 skip=$((bytes / 512 - 33)) count=33 status=none
larger half
dd if="$LAB/tail" of="$LAB/half.img" bs=512 seek=$((bytes / 512 - 33)) conv=notrunc status=none
dd if="$LAB/head" of="$LAB/half.img" bs=512 count=2 conv=notrunc status=none
register
vm_check "a table that was half written: boots" lab_boot half "$LAB/half.img"
vm_check "as the grown disk" compare half grown
vm_check "and is finished" grown_to half
vm_check "its table holds" table_holds half
rm -f "$LAB/half.img" "$LAB/plain.img"
cp --sparse=always "$LAB/demo.img" "$LAB/other.img"
truncate -s $((bytes + 1048576)) "$LAB/other.img"
register
vm_check "a disk of another size: boots" lab_boot other "$LAB/other.img"
vm_check "as the image" compare other demo
vm_check "and stays as it is" vm_says_not other "root: grown"
rm -f "$LAB/other.img"

# --- With tags ---

vm_check "an image with tags that may grow" make tagged --integrity hmac-sha256
vm_check "tags: first boot" lab_boot tagged "$LAB/tagged.img"
vm_check "tags: the file system is grown" grown_to tagged
vm_check "tags: no sector is an error" vm_says_not tagged "INTEGRITY AEAD ERROR"
vm_check "tags: second boot" lab_boot again "$LAB/tagged.img"
vm_check "tags: registers" compare again grown
vm_check "tags: no sector is an error then" vm_says_not again "INTEGRITY AEAD ERROR"
vm_check "tags: the table holds" table_holds tagged
all_tags() { vm_take tagged tagged && vm_tags tagged "$key" used; }
vm_check "tags: all of them hold" all_tags
vm_end
