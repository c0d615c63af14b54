#!/bin/sh
# Disks: the partition table that sgdisk and sfdisk read of ours and we of theirs; the encrypted root, with cryptsetup.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/interop_lib.sh
. "$(dirname "$0")/interop_lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
init=$small_init
cd "$work" || exit 4
PATH=$PATH:/usr/sbin:/sbin
need sgdisk sfdisk cryptsetup jq
find_stub
find_varstore
make_kernel vmlinuz
make_modules modules
mkdir -p root/etc root/sbin
: >root/sbin/init
echo 'ID=test' >root/etc/os-release
head -c 64 /dev/urandom >disk.key
openssl genrsa -out broker.key 2048 2>/dev/null
"$cloister" serve --state broker --init --print-key broker.pem 2>/dev/null || fail "a broker's key"
"$cloister" secureboot keygen --output keys >/dev/null || fail "keygen"
"$cloister" secureboot enroll --input "$varstore" --output vars.fd --pk keys/PK.crt --kek keys/KEK.crt --db keys/db.crt || fail "enroll"
"$cloister" image build root --output disk.img --name test --kernel vmlinuz --modules "$modules" --stub "$stub" --cmdline quiet --init "$init" \
    --sign-key keys/db.key --sign-cert keys/db.crt --varstore vars.fd --disk-key disk.key --broker https://broker.example:1 \
    --broker-key broker.pem >build.log 2>&1 || fail "image build: $(tail -n 1 build.log)"

# The table, as others read it.
sgdisk -v disk.img 2>&1 | grep -q 'No problems found' || fail "sgdisk: $(sgdisk -v disk.img 2>&1 | head -n 3)"
sfdisk -q --verify disk.img 2>sfdisk.log || fail "sfdisk: $(cat sfdisk.log)"
sfdisk --json disk.img >theirs.json || fail "sfdisk --json"
[ "$(jq '.partitiontable.partitions | length' theirs.json)" = 2 ] || fail "sfdisk sees $(jq -c .partitiontable.partitions theirs.json)"
held "GPT" sgdisk "$(package_version gdisk)" "reads ours"
held "GPT" sfdisk "$(package_version fdisk)" "reads ours"
# Copied by each of them, it measures as the original does.
table() { "$cloister" measure image "$1" --varstore vars.fd --json 2>/dev/null | jq -r '.events["5"][] | select(.type == "EV_EFI_GPT_EVENT") | .digests.sha256'; }
table disk.img >own
[ -s own ] || fail "no event of the partition table: $("$cloister" measure image disk.img --varstore vars.fd 2>&1 | tail -n 1)"
cp --sparse=always disk.img copy.img
{ sgdisk -b saved disk.img >/dev/null && sgdisk -l saved copy.img >/dev/null 2>&1; } || fail "sgdisk -b, -l"
table copy.img | cmp -s - own || fail "written by sgdisk, it measures otherwise"
held "GPT" sgdisk "$(package_version gdisk)" "ours reads its"

# The root: its header as cryptsetup reads it, opened by it; and one that it made, by our white list.
start=$(jq -r '.partitiontable.partitions[1].start' theirs.json) size=$(jq -r '.partitiontable.partitions[1].size' theirs.json)
dd if=disk.img of=root.luks bs=512 skip="$start" count="$size" status=none
cryptsetup luksDump root.luks >dump 2>&1 || fail "luksDump: $(tail -n 1 dump)"
cryptsetup open --test-passphrase --key-file disk.key root.luks 2>open.log || fail "cryptsetup does not open it: $(cat open.log)"
held "LUKS2" cryptsetup "$(package_version cryptsetup-bin)" "reads ours"
printf pass >pass
truncate -s "$((size * 512))" made.luks
cryptsetup luksFormat -q --type luks2 --pbkdf argon2id --pbkdf-force-iterations 4 --pbkdf-memory 32768 --integrity hmac-sha256 --integrity-no-wipe made.luks pass >format.log 2>&1 ||
    cryptsetup luksFormat -q --type luks2 --pbkdf argon2id --pbkdf-force-iterations 4 --pbkdf-memory 32768 made.luks pass >format.log 2>&1 || fail "luksFormat: $(tail -n 1 format.log)"
cp --sparse=always disk.img theirs.img
dd if=made.luks of=theirs.img bs=512 seek="$start" conv=notrunc status=none
expect "a header of cryptsetup's" 0 "a guest opens it" "$cloister" image inspect theirs.img
held "LUKS2" cryptsetup "$(package_version cryptsetup-bin)" "ours reads its"
exit "$failed"
