#!/bin/bash
# An image whose root may grow: what its guest is told, the reference values for the disk as it will be, and what is not taken.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
init=$small_init
cd "$work" || exit 4
PATH=$PATH:/sbin:/usr/sbin
skip_without mke2fs mkfs.vfat mcopy jq zstd
make_image_inputs

# shellcheck disable=SC2317 # other functions call it
# build OUTPUT [OPTION]…
build() {
    output=$1
    shift
    "$cloister" image build root --kernel vmlinuz --modules "$modules" --stub "$stub" --cmdline 'console=ttyS0' \
        --sign-key keys/db.key --sign-cert keys/db.crt --varstore vars.fd --disk-key disk.key --reuse-disk-key test \
        --broker https://10.0.2.2:8443 --broker-key broker.pem --init "$init" --output "$output" "$@"
}
# told IMAGE: what its guest.json says of growing.
told() {
    rm -f told.efi initrd
    image_uki "$1" told.efi && "$cloister" uki inspect told.efi --extract .initrd:initrd >/dev/null || return
    zstd -qdc initrd | tr -d ' \n' | grep -ao '"grow":\("[a-z]*"\|\[[0-9,]*\]\)'
}
measure() { "$cloister" measure image demo.img --varstore vars.fd --json "$@" | jq -r '.pcrs.sha256."5"'; }

expect "two sizes" 0 "grown      demo-1G.ref.json" build demo.img --grow 1G --grow 700001K --integrity hmac-sha256
grep -q '^grown      demo-700001K.ref.json$' out || fail "the other one: $(cat out)"
[ "$(told demo.img)" = '"grow":[1073741824,716801024]' ] || fail "the guest is told: $(told demo.img)"
# What the guest is told that the image had, and what the superblock of its tags says: the last one, after the ESP.
told_from() { zstd -qdc initrd | tr -d ' \n' | grep -aoE '"grow_from":\{[^}]*\}' | sed 's/^"grow_from"://' | jq -r '"\(.provided / 512) \(.journal_sections)"'; }
at=$(LC_ALL=C grep -abo integrt demo.img | tail -n 1 | cut -d : -f 1)
from="$(od -An -t u8 -j $((at + 16)) -N 8 demo.img | tr -d ' ') $(od -An -t u4 -j $((at + 12)) -N 4 demo.img | tr -d ' ')"
[ "$(told_from)" = "$from" ] || fail "the guest is told that the image had $(told_from), the superblock says $from"
for size in 1G 700001K; do
    predicted=$(jq -r '.pcrs.sha256."5"' "demo-$size.ref.json")
    [ "$predicted" = "$(measure --disk-size "$size" --grow-partition root --grown-by cloister)" ] || fail "$size: measure image says another PCR 5"
    [ "$predicted" != "$(measure)" ] || fail "$size: PCR 5 is that of the image as it is"
    moved=$(jq -rn --slurpfile a demo.ref.json --slurpfile b "demo-$size.ref.json" '[$a[0].pcrs.sha256 | to_entries[] | select(.value != $b[0].pcrs.sha256[.key]) | .key] | join(" ")')
    [ "$moved" = 5 ] || fail "$size: PCRs $moved are others"
done
[ "$(jq -r .name demo-1G.ref.json)" = "$(jq -r .name demo.ref.json)" ] || fail "another name"

# A table that grew by less than 1 MiB is not written: what the image leaves after its root is not room.
bytes=$(stat -c %s demo.img)
[ "$(measure --disk-size $((bytes + 1048064)) --grow-partition root --grown-by cloister)" = "$(measure)" ] || fail "PCR 5 moves for less than 1 MiB"
[ "$(measure --disk-size $((bytes + 1048576)) --grow-partition root --grown-by cloister)" != "$(measure)" ] || fail "PCR 5 does not move for 1 MiB"

expect "any size" 0 "LUKS2" build any.img --grow any
[ "$(told any.img)" = '"grow":"any"' ] || fail "the guest is told: $(told any.img)"
expect "no size" 0 "LUKS2" build none.img
told none.img && fail "the guest is told of growing"
bytes=$(stat -c %s none.img)

# refused WORDS [OPTION]…: nothing is made.
refused() {
    words=$1
    shift
    expect "refused: $words" 2 "$words" build no.img "$@"
    for file in no*; do
        [ "$file" = none.img ] || [ "${file#none.}" != "$file" ] || [ ! -e "$file" ] || fail "left over: $file"
    done
}
refused "has no room to grow into: the image's own has $bytes" --grow 2M
refused "has no room to grow into" --grow $((bytes + 512))
refused "--grow huge: expected any, or a disk's size" --grow huge
refused "--grow 1000: expected any, or a disk's size" --grow 1000
refused "--grow any: expected any, or a disk's size" --grow any --grow 1G
refused "--verity: a root with a hash tree cannot grow" --grow 1G --verity
refused "--grow: a guest makes tags of hmac-sha256 alone" --grow 1G --integrity aes-gcm
refused "--grow: at most 8 sizes" --grow 1G --grow 2G --grow 3G --grow 4G --grow 5G --grow 6G --grow 7G --grow 8G --grow 9G

# An update foretells both states again.
expect "an update" 0 "reference  demo.next.ref.json" "$cloister" image update demo.img --disk-key disk.key --varstore vars.fd --kernel vmlinuz \
    --modules "$modules" --stub "$stub" --init "$init" --key keys/db.key --cert keys/db.crt
told demo.img >/dev/null || fail "updated, the guest is not told of growing"
[ "$(told_from)" = "$from" ] || fail "updated, the guest is told that the image had $(told_from), not $from"
for size in 1G 700001K; do
    moved=$(jq -rn --slurpfile a demo.next.ref.json --slurpfile b "demo.next-$size.ref.json" '[$a[0].pcrs.sha256 | to_entries[] | select(.value != $b[0].pcrs.sha256[.key]) | .key] | join(" ")')
    [ "$moved" = 5 ] || fail "updated, $size: PCRs $moved are others"
    [ "$(jq -r '.pcrs.sha256."5"' "demo-$size.ref.json")" = "$(jq -r '.pcrs.sha256."5"' "demo.next-$size.ref.json")" ] || fail "updated, $size: another table"
done
exit "$failed"
