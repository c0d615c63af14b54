#!/bin/sh
# Any disk image, told about: layout, what is encrypted and who can open it, the UKI, what the host reads, what convert would do.
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
skip_without qemu-img mke2fs mkfs.vfat mkswap mcopy jq sfdisk cryptsetup
make_image_inputs
make_distribution
make_disk disk.raw

# says NAME WORDS…: of the file "out".
says() {
    name=$1
    shift
    for words in "$@"; do
        grep -qF "$words" out || fail "$name: does not say '$words': $(cat out)"
    done
}

# A distribution's.
qemu-img convert -f raw -O vmdk disk.raw disk.vmdk || fail "qemu-img"
expect "a distribution" 1 "disk       VMDK, GPT partition table" "$cloister" image inspect disk.vmdk
says "a distribution" "partition  3: ext4 $root_uuid, 96 MiB" "root       refused: no LUKS2 partition of the type for a root" \
    "host reads partition 1 (FAT, $esp_id)" "host reads partition 2 (ext4, $boot_uuid)" \
    "wrong      partition 4 (swap, $swap_uuid): memory, keys included, is written there in the clear" "wrong      UKI: " \
    "convert    takes the one with an init as the root, of partition 2 (ext4, $boot_uuid), partition 3"
"$cloister" image inspect disk.vmdk --json | jq -e '.container == "VMDK" and .table == "GPT" and .root.fit == false and (.host_reads | length) == 4 and
    .partitions[2].content == "ext4"' >/dev/null || fail "JSON: $("$cloister" image inspect disk.vmdk --json)"
expect "no UKI" 3 "disk.vmdk: " "$cloister" uki inspect disk.vmdk

# One of ours, in a container.
"$cloister" image build root --kernel vmlinuz --modules "$modules" --stub "$stub" --cmdline 'console=ttyS0' --key keys/db.key --cert keys/db.crt \
    --varstore vars.fd --disk-key disk.key --reuse-disk-key test --broker https://10.0.2.2:8443 --broker-key broker.pem --init "$init" --output demo.img \
    >/dev/null || fail "build"
qemu-img convert -f raw -O vhdx demo.img demo.vhdx || fail "qemu-img"
expect "ours" 0 "a guest opens it" "$cloister" image inspect demo.vhdx
says "ours" "UKI        EFI/BOOT/BOOTX64.EFI, " "opens      slot 0: a key or pass phrase, by " "convert    nothing: the root is encrypted"
grep -q '^wrong' out && fail "ours: $(cat out)"
image_uki demo.img demo.efi || fail "no UKI"
"$cloister" uki inspect demo.efi --json >one.json || fail "uki inspect"
"$cloister" uki inspect demo.vhdx --json >two.json || fail "uki inspect of a disk"
jq 'del(.file, .image, .path)' one.json >one && jq 'del(.file, .image, .path)' two.json >two
cmp -s one two || fail "another UKI: $(diff one two | head -n 5)"

# Of cryptsetup's making, with a token of systemd's.
truncate -s 24M luks.part
printf secret | cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --sector-size 512 --key-file - luks.part 2>/dev/null ||
    skip "cryptsetup luksFormat does not work here"
printf '{"type":"systemd-tpm2","keyslots":["0"],"tpm2-blob":"","tpm2-pcrs":[7],"tpm2-policy-hash":"00"}' |
    cryptsetup token import --json-file - luks.part 2>/dev/null || fail "token import"
truncate -s 40M luks.raw
printf 'label: gpt\nstart=1MiB,size=24MiB,type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709\n' | sfdisk -q luks.raw
dd if=luks.part of=luks.raw bs=1M seek=1 conv=notrunc,sparse status=none
expect "cryptsetup's" 1 "root       refused: " "$cloister" image inspect luks.raw
says "cryptsetup's" "opens      slot 0: a key or pass phrase, by pbkdf2" "opens      token systemd-tpm2" \
    "convert    refuses it: no ext4, XFS or btrfs file system with an init; partition 1 (LUKS2, " "is encrypted already"

# An MBR, and a bare file system.
truncate -s 30M mbr.raw
printf 'label: dos\nstart=1MiB,size=24MiB,type=83\n' | sfdisk -q mbr.raw
dd if=part.boot of=mbr.raw bs=1M seek=1 conv=notrunc,sparse status=none
expect "an MBR" 1 "disk       raw, MBR partition table" "$cloister" image inspect mbr.raw
says "an MBR" "convert    takes partition 1 (ext4, $boot_uuid) as the root, if it has an init"
expect "audit of an MBR" 1 "image.table" "$cloister" audit mbr.raw
expect "a file system" 1 "content    ext4 $root_uuid" "$cloister" image inspect part.root
head -c 3000000 /dev/urandom >noise
expect "noise" 3 "noise: neither a partition table nor a file system is in it" "$cloister" image inspect noise
: >empty
expect "empty" 3 "empty: 0 bytes are not a disk" "$cloister" image inspect empty
exit "$failed"
