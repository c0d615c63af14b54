#!/bin/bash
# Disk images: built from a folder and from a file system, looked into by others' tools; the same UKI each time; nothing
# half-made when it is interrupted or the disk is full; and what is not taken.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
# shellcheck source=tests/cli/faults_lib.sh
. "$(dirname "$0")/faults_lib.sh"
init=$(absolute "$2")
faults=$(absolute "$3")
cd "$work" || exit 4
PATH=$PATH:/sbin:/usr/sbin
skip_without mke2fs mkfs.vfat mcopy jq
make_image_inputs
seed=7c9a2f34-1be5-4d1e-9f6a-3f6f1f0c9e11

# build OUTPUT [OPTION]…
build() {
    output=$1
    shift
    "$cloister" image build root --kernel vmlinuz --modules "$modules" --stub "$stub" --cmdline 'console=ttyS0' \
        --sign-key keys/db.key --sign-cert keys/db.crt --varstore vars.fd --disk-key disk.key --reuse-disk-key test \
        --broker https://10.0.2.2:8443 --broker-key broker.pem --init "$init" --output "$output" "$@"
}

export SOURCE_DATE_EPOCH=1700000000
expect "build" 0 "LUKS2" build demo.img --seed "$seed"
[ -s demo.ref.json ] || fail "no reference values"
build again.img --seed "$seed" --name demo >/dev/null || fail "build again"
{ image_uki demo.img one.efi && image_uki again.img two.efi; } || fail "no UKI on the ESP"
cmp -s one.efi two.efi || fail "the same inputs give another UKI"
cmp -s demo.ref.json again.ref.json && fail "two images cannot have the same volume key"
jq 'del(.pcrs.sha256."15", .events."15")' demo.ref.json >one.json
jq 'del(.pcrs.sha256."15", .events."15")' again.ref.json >two.json
cmp -s one.json two.json || fail "reference values differ beyond the volume key"
for pcr in 4 5 7 9 11 12 13 14 15; do
    jq -e ".pcrs.sha256.\"$pcr\"" demo.ref.json >/dev/null || fail "PCR $pcr is not predicted"
done
expect "the UKI's signature" 0 "" "$cloister" uki verify one.efi --cert keys/db.crt
expect "inspect" 0 "a guest opens it" "$cloister" image inspect demo.img
# What says that two documents, and a machine's registers, are of one image.
"$cloister" image inspect demo.img --json | jq -S .identity >inspected.json
"$cloister" audit demo.img --json | jq -S .identity >audited.json
cmp -s inspected.json audited.json || fail "audit and inspect call one image two things: $(diff inspected.json audited.json | head -n 5)"
jq -e --arg file "$(sha256sum demo.img | cut -d ' ' -f 1)" --arg uki "$(sha256sum one.efi | cut -d ' ' -f 1)" --slurpfile reference demo.ref.json \
    '.kind == "disk" and .sha256 == $file and .uki.sha256 == $uki and .root.luks_uuid and .disk.guid and
     all(("4", "5", "9", "11", "12"); . as $pcr | $reference[0].pcrs.sha256[$pcr]) and
     (.registers.pcrs.sha256 as $pcrs | all($pcrs | to_entries[]; $reference[0].pcrs.sha256[.key] == .value))' inspected.json >/dev/null ||
    fail "identity: $(head -c 600 inspected.json)"
expect "measure says the same" 0 "" "$cloister" measure image demo.img --varstore vars.fd --name demo --output measured.json
jq '.pcrs.sha256 | del(."15")' demo.ref.json >one.json
jq '.pcrs.sha256' measured.json >two.json
cmp -s one.json two.json || fail "measure image predicts otherwise than image build: $(diff one.json two.json | head -n 5)"

# What others' tools say of it.
if found sgdisk "it is not asked about the partition table"; then
    sgdisk -v demo.img 2>&1 | grep -q 'No problems found' || fail "sgdisk: $(sgdisk -v demo.img 2>&1 | head -n 5)"
    sgdisk -i 2 demo.img | grep -q '4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709' || fail "partition 2 is not an x86-64 root"
fi
start=$("$cloister" image inspect demo.img --json | jq '.partitions[1].offset')
size=$("$cloister" image inspect demo.img --json | jq '.partitions[1].bytes')
dd if=demo.img of=root.luks bs=1M iflag=skip_bytes,count_bytes skip="$start" count="$size" conv=sparse status=none
if found cryptsetup "it is not asked about the root"; then
    cryptsetup luksDump root.luks >dump 2>&1 || fail "cryptsetup: $(cat dump)"
    { grep -q 'cipher: aes-xts-plain64' dump && grep -q 'sector: 4096 \[bytes\]' dump; } || fail "luksDump: $(cat dump)"
    cryptsetup open --test-passphrase --key-file disk.key root.luks || fail "the disk key opens no key slot"
fi
grep -q -a 'ID=test' root.luks && fail "the root's content can be read on the disk"
mdir -i demo.img@@1M ::/EFI/BOOT >/dev/null || fail "the ESP has no EFI/BOOT"
fsck=$(command -v fsck.vfat) && dd if=demo.img of=esp bs=1M skip=1 count=64 status=none && { "$fsck" -n esp >fsck.log 2>&1 || fail "fsck.vfat: $(cat fsck.log)"; }

init=$small_init
# From a file system image; with a passphrase; with free blocks encrypted too.
mke2fs -q -F -t ext4 -d root root.ext4 64M
printf 'correct horse\n' >passphrase
"$cloister" image build root.ext4 --kernel vmlinuz --modules "$modules" --stub "$stub" --sign-key keys/db.key --sign-cert keys/db.crt \
    --cmdline quiet --varstore vars.fd --disk-key disk.key --reuse-disk-key test --broker https://b --broker-key broker.pem --init "$init" --output file.img \
    --recovery-passphrase-file passphrase --encrypt-free --osrel root/etc/os-release --json >result.json || fail "build from a file system"
[ "$(jq .free_bytes result.json)" = 0 ] || fail "--encrypt-free leaves blocks free"
expect "two key slots" 0 "2 key slots" "$cloister" image inspect file.img

# Which disk it is: an identity for the broker, of the key that opens it; PCR 15 has another value.
[ "$(jq -r '.name, .generation' demo.disk.json | xargs)" = "demo 0" ] || fail "demo.disk.json: $(cat demo.disk.json)"
[ "$(jq -r .uuid demo.disk.json)" = "$("$cloister" image inspect demo.img --json | jq -r .root.luks_uuid)" ] || fail "another UUID"
[ "$(jq -r .uuid demo.disk.json)" = "$(jq -r .uuid again.disk.json)" ] || fail "one seed, two UUIDs"
[ "$(jq -r .volume_key_hmac demo.disk.json)" != "$(jq -r .volume_key_hmac again.disk.json)" ] || fail "two disks with one volume key"
jq -r '.volume_key_hmac' demo.disk.json | grep -qFf - demo.ref.json && fail "the identity says what PCR 15 is"
[ "$(jq -r .key_id demo.disk.json)" = "$(python3 -c 'import hmac; print(hmac.new(open("disk.key", "rb").read(), b"cloister:disk-key:1", "sha256").hexdigest())')" ] ||
    fail "the key's id"

# Disk keys: one is made unless one is given; one that another disk has is not taken again, however that is known.
# fresh OUTPUT [OPTION]…: as build, without a key of ours.
# shellcheck disable=SC2317 # expect calls it
fresh() {
    output=$1
    shift
    "$cloister" image build root --kernel vmlinuz --modules "$modules" --stub "$stub" --cmdline x --sign-key keys/db.key \
        --sign-cert keys/db.crt --varstore vars.fd --broker https://b --broker-key broker.pem --init "$init" --output "$output" "$@"
}
expect "a key of its own" 0 "disk key   own.disk.key" fresh own.img
[ "$(stat -c '%s %a' own.disk.key)" = "64 600" ] || fail "own.disk.key: $(stat -c '%s %a' own.disk.key)"
[ "$(jq -r .key_id own.disk.json)" != "$(jq -r .key_id demo.disk.json)" ] || fail "the same key"
expect "its key is not overwritten" 1 "own.disk.key: is there already" fresh own.img
expect "another place for it" 0 "disk key   elsewhere.key" fresh own.img --disk-key-output elsewhere.key
expect "the key of another disk, by its record" 1 "elsewhere.key: opens another disk already (elsewhere.key.used)" \
    fresh no.img --disk-key elsewhere.key
mkdir apart
cp elsewhere.key apart/copy.key
expect "by the other's identity" 1 "apart/copy.key: opens another disk already (./own.disk.json)" fresh no.img --disk-key apart/copy.key
mkfifo pipe
(cat elsewhere.key >pipe &)
expect "a pipe" 1 "nobody can tell what it opens" fresh no.img --disk-key pipe
expect "again, with a reason" 0 "LUKS2" fresh twin.img --disk-key elsewhere.key --reuse-disk-key "a test of both"
grep -q 'twin.img again: a test of both$' elsewhere.key.used || fail "elsewhere.key.used: $(cat elsewhere.key.used)"
head -c 64 /dev/urandom >elsewhere.key
expect "a new key under the old name" 0 "LUKS2" fresh new.img --disk-key elsewhere.key

# What it takes from its host: nothing, or what is said; the same in the UKI, in the initrd and in the reference values.
"$cloister" uki inspect one.efi --json >inspect.json || fail "uki inspect"
grep -q 'console=ttyS0 systemd.import_credentials=no systemd.gpt_auto=no ' inspect.json || fail "the command line: $(cat inspect.json)"
[ "$(jq -c .host_inputs demo.ref.json)" = '[]' ] || fail "an image that takes something: $(jq -c .host_inputs demo.ref.json)"
expect "an image that takes cloud-init" 0 "LUKS2" build open.img --allow-host report --allow-host cloud-init --tpm-counter
[ "$(jq -c .host_inputs open.ref.json)" = '["report","cloud-init"]' ] || fail "host_inputs: $(jq -c .host_inputs open.ref.json)"
{ image_uki open.img open.efi && "$cloister" uki inspect open.efi --extract .initrd:initrd >/dev/null; } || fail "no initrd"
! found zstd "what guest.json says of the TPM's counter is not looked at" || zstd -qdc initrd | grep -qa '"tpm_counter": *"used"' || fail "the TPM's counter is not asked for"
grep -q -a 'cloud-init=disabled' open.efi && fail "cloud-init is switched off, though it is allowed"
grep -q -a 'cloud-init=disabled' one.efi || fail "cloud-init is not switched off"
expect "a word that is none" 2 "--allow-host: \"everything\" is not something that a host hands in" build no.img --allow-host everything
expect "a key that is none" 3 "os-release" build no.img --credential-key root/etc/os-release

# The audit's required rules hold an image up.
printf 'LABEL=data /srv ext4 defaults 0 0\n' >root/etc/fstab
expect "a rule that fails" 1 "audit: rootfs.fstab_clear: " build no.img
expect "and is accepted" 0 "LUKS2" build accepted.img --accept rootfs.fstab_clear
rm root/etc/fstab
: >root/usr/bin/qemu-ga
expect "an agent that is masked" 0 "LUKS2" build masked.img
expect "an agent that may run" 1 "audit: rootfs.agents: " build no.img --allow-host agents
rm root/usr/bin/qemu-ga
expect "a word of the owner's that opens a door" 1 "audit: cmdline.gpt_auto: " build no.img --cmdline 'quiet systemd.gpt_auto=yes'
expect "no such rule" 2 "--accept nothing: there is no such rule" build no.img --accept nothing

# What is not taken: one line, the right status, and nothing written.
printf 'text' >text
head -c 31 disk.key >short.key
mkdir empty
expect "no output" 2 "--output is needed" "$cloister" image build root
expect "no root" 2 "one root expected" "$cloister" image build --output no.img
expect "root absent" 3 "none" "$cloister" image build none --kernel vmlinuz --modules "$modules" --stub "$stub" --sign-key keys/db.key --sign-cert keys/db.crt --varstore vars.fd --disk-key disk.key --reuse-disk-key test --broker https://b --broker-key broker.pem --init "$init" --output no.img --cmdline x
for wrong in "--kernel text" "--kernel none" "--modules empty" "--stub text" "--varstore text" "--broker-key text" "--init text" "--osrel none"; do
    # shellcheck disable=SC2086 # an option and its value
    expect "$wrong" 3 "${wrong#* }" build no.img $wrong
done
expect "a key that is not one" 3 "text: not a private key" build no.img --key text --cert keys/db.crt
expect "a certificate that is not one" 3 "text: holds no certificate" build no.img --key keys/db.key --cert text
expect "an empty command line" 2 ".cmdline: is empty" build no.img --cmdline ''
expect "a short disk key" 2 "32 to 512" build no.img --disk-key short.key
expect "broker without TLS" 2 "https://" build no.img --broker http://b
expect "odd network" 2 "--network" build no.img --network tomorrow
expect "odd size" 2 "--root-size" build no.img --root-size much
expect "odd seed" 2 "--seed" build no.img --seed 7
expect "root too small" 4 "ext4" build no.img --root-size 40K
expect "folder is not there" 4 "nowhere" build nowhere/no.img
SOURCE_DATE_EPOCH=yesterday expect "odd epoch" 2 "SOURCE_DATE_EPOCH" build no.img
{ [ ! -e no.img ] && [ ! -e no.ref.json ] && [ ! -e no.disk.json ] && [ ! -e no.disk.key ]; } || fail "a refused build left a file"
head -c 20000 demo.img >cut.img
head -c 100000 /dev/zero >zeros.img
expect "inspect: cut" 3 "cut.img" "$cloister" image inspect cut.img
expect "inspect: no table" 3 "neither a partition table nor a file system" "$cloister" image inspect zeros.img
expect "inspect: absent" 3 "No such file" "$cloister" image inspect none
# A header that names another cipher is seen before any guest sees it.
cp --sparse=always demo.img null.img
invert null.img $((start + 5000))
expect "inspect: a changed header" 1 "refused" "$cloister" image inspect null.img

# Interrupted at any moment, or out of space: nothing under the final name, and (unless it was killed) nothing next to it.
beside() { find . -maxdepth 1 \( -name '.cloister-*' -o -name '*.part' -o -name 'stop.*' \) | wc -l; }
# shellcheck disable=SC2317 # await and others call it
build_stopped() {
    "$cloister" image build root --kernel vmlinuz --modules "$modules" --stub "$stub" --cmdline x --sign-key keys/db.key --sign-cert keys/db.crt \
        --varstore vars.fd --disk-key disk.key --reuse-disk-key test --broker https://b --broker-key broker.pem --init "$init" \
        --output stop.img --root-size 64M --encrypt-free >/dev/null 2>&1
}
changes=$(count_changes build_stopped) || fail "counted"
rm -f stop.*
for signal in INT TERM kill; do
    for part in 1 4 7; do
        of_many || continue
        with_fault $((changes * part / 8)) $signal "" build_stopped && fail "$signal at $part eighths: it was finished before"
        { [ ! -e stop.img ] && [ ! -e stop.ref.json ]; } || fail "$signal at $part eighths: a half-made image has its final name"
        [ "$signal" = kill ] || [ "$(beside)" = 0 ] || fail "$signal at $part eighths: something is left: $(ls -A)"
        rm -rf ./.cloister-* ./*.part
    done
done
(
    ulimit -f 40000
    build stop.img --root-size 64M --encrypt-free >/dev/null 2>err
) && fail "a file size limit is not an error"
[ ! -e stop.img ] || fail "out of space: a half-made image has its final name"
[ "$(beside)" = 0 ] || fail "out of space: something is left: $(ls -A)"
[ "$(wc -l <err)" = 1 ] || fail "out of space: not one line: $(cat err)"
exit "$failed"
