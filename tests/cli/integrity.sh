#!/bin/sh
# Roots whose sectors have tags: each one is there and holds, for both sizes; the journal is an empty one; cryptsetup reads the header;
# a host that changes header or superblock is refused by name; a conversion goes the same way and is resumed with the same layout alone.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
init=$small_init
tests=$(absolute "$(dirname "$0")")
cd "$work" || exit 4
PATH=$PATH:/sbin:/usr/sbin
skip_without mke2fs mkfs.vfat jq python3 cryptsetup
make_image_inputs
mke2fs -q -F -t ext4 -b 4096 -d root root.ext4 20M
export SOURCE_DATE_EPOCH=1700000000

# build OUTPUT [OPTION]…
# shellcheck disable=SC2317 # expect calls it
build() {
    output=$1
    shift
    "$cloister" image build root.ext4 --kernel vmlinuz --modules "$modules" --stub "$stub" --cmdline 'console=ttyS0' --osrel root/etc/os-release \
        --sign-key keys/db.key --sign-cert keys/db.crt --varstore vars.fd --disk-key disk.key --reuse-disk-key test \
        --broker https://10.0.2.2:8443 --broker-key broker.pem --init "$init" --esp-size 34M --output "$output" "$@"
}
# take IMAGE: root.luks, and its volume key in vk.
take() {
    start=$("$cloister" image inspect "$1" --json | jq '.partitions[1].offset')
    size=$("$cloister" image inspect "$1" --json | jq '.partitions[1].bytes')
    dd if="$1" of=root.luks bs=1M iflag=skip_bytes,count_bytes skip="$start" count="$size" conv=sparse status=none
    rm -f vk
    cryptsetup luksDump -q --dump-volume-key --volume-key-file vk --key-file disk.key root.luks >/dev/null 2>dump.log || fail "$1: the volume key: $(cat dump.log)"
}

for form in "512 aes-gcm aead aes-gcm-random" "4096 aes-gcm aead aes-gcm-random" \
    "512 hmac-sha256 hmac(sha256) aes-xts-plain64" "4096 hmac-sha256 hmac(sha256) aes-xts-plain64"; do
    # shellcheck disable=SC2086 # words
    set -- $form
    sector=$1 kind=$2 integrity=$3 cipher=$4
    rm -f "$sector.img"
    expect "tags, sectors of $sector bytes" 0 "LUKS2" build "$sector.img" --integrity "$kind" --sector-size "$sector"
    expect "inspect" 0 "$cipher, $integrity, $sector-byte sectors" "$cloister" image inspect "$sector.img"
    [ "$("$cloister" image inspect "$sector.img" --json | jq -r '.root | "\(.integrity) \(.sector_size)"')" = "$integrity $sector" ] || fail "inspect --json"
    take "$sector.img"
    cryptsetup luksDump root.luks >dump 2>&1 || fail "cryptsetup: $(cat dump)"
    { grep -qF "integrity: $integrity" dump && grep -q "cipher: $cipher" dump && grep -q "sector: $sector \[bytes\]" dump; } || fail "luksDump: $(cat dump)"
    cryptsetup open --test-passphrase --key-file disk.key root.luks 2>open.log || fail "the disk key opens no key slot: $(cat open.log)"
    python3 "$tests/tags.py" root.luks vk plain >tags.out 2>tags.err || fail "$sector: $(tail -n 1 tags.err)"
    [ "$(wc -w <tags.out)" = 1 ] || fail "$sector: wrong tags: $(head -c 200 tags.out)"
    # Unused blocks read as noise: only used ones are the file system's.
    e2fsck -fn plain >fsck.out 2>&1 || fail "$sector: $(head -n 3 fsck.out)"
    debugfs -R 'dump /usr/bin/program program' plain >/dev/null 2>&1
    cmp -s program root/usr/bin/program || fail "$sector: the file is another one"
    [ "$(stat -c %b "$sector.img")" -lt "$(($(stat -c %s "$sector.img") / 512))" ] || fail "$sector: unused blocks are not left as holes"
done
grep -q -a 'ID=test' root.luks && fail "the root's content can be read on the disk"
expect "unused blocks too" 0 "LUKS2" build all.img --integrity hmac-sha256 --encrypt-free
take all.img
python3 "$tests/tags.py" root.luks vk plain >tags.out 2>&1 || fail "--encrypt-free: $(tail -n 1 tags.out)"
[ "$(wc -w <tags.out)" = 1 ] || fail "--encrypt-free: wrong tags: $(head -c 200 tags.out)"
cmp -s -n "$(stat -c %s root.ext4)" plain root.ext4 || fail "--encrypt-free: the root is another one"

# The reader sees a changed byte; so does the kernel.
offset=$(($(stat -c %s root.luks) - 3000000))
invert root.luks "$offset"
python3 "$tests/tags.py" root.luks vk plain >tags.out 2>&1
[ "$(wc -w <tags.out)" = 2 ] || fail "a byte that was changed: $(head -c 200 tags.out)"

# What a host may write there, told by its name.
take 512.img
root=$((start + 16777216))
# change OFFSET BYTE, in octal: of the superblock.
change() {
    cp --sparse=always 512.img evil.img
    printf '%b' "\\0$2" | dd of=evil.img bs=1 seek=$((root + $1)) conv=notrunc status=none
}
change 0 130
expect "no superblock" 1 "integrity: no superblock" "$cloister" image inspect evil.img
change 24 012
expect "one that recalculates" 1 "integrity: flags 0xa: only 0x8 is allowed" "$cloister" image inspect evil.img
change 28 003
expect "blocks of another size" 1 "tags of 32 bytes for sectors of 4096, the LUKS2 header wants 32 for 512" "$cloister" image inspect evil.img
change 19 377
expect "more than there is room for" 1 "do not fit the partition" "$cloister" image inspect evil.img

expect "another kind" 2 "--integrity crc32: expected hmac-sha256, aes-gcm or none" build no.img --integrity crc32
expect "small sectors without tags" 2 "--sector-size 512: goes with --integrity alone" build no.img --sector-size 512
expect "another size" 2 "--sector-size 1024: expected 4096 or 512" build no.img --integrity hmac-sha256 --sector-size 1024
[ ! -e no.img ] || fail "an image after a refusal"
exit "$failed"
