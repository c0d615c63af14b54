#!/bin/sh
# What a conversion leaves that failed or was killed, and what a resumed one makes of it: an image that was finished stays as it is,
# with its key, and what another user put there is not taken over.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
init=$(absolute "$2")
cd "$work" || exit 4
PATH=$PATH:/sbin:/usr/sbin
export TMPDIR="$work"
skip_without mke2fs jq
make_image_inputs
mkdir -p root/boot root/usr/lib/modules
cp vmlinuz root/boot/vmlinuz-6.12.0-test
cp -r "$modules" root/usr/lib/modules/
mke2fs -q -F -t ext4 -d root disk.raw 24M >/dev/null || fail "mke2fs"

# convert [OPTION]…
# shellcheck disable=SC2317 # expect calls it
convert() {
    "$cloister" image convert disk.raw demo.img --stub "$stub" --key keys/db.key --cert keys/db.crt --varstore vars.fd \
        --broker https://10.0.2.2:8443 --broker-key broker.pem --init "$init" "$@"
}

# The image is there, and the note which key it has cannot be written.
mkdir -p demo.disk.key.used/in-the-way
expect "no record of the key" 4 "demo.disk.key.used" convert
[ -e demo.img ] || fail "no image"
[ -s demo.disk.key ] || fail "the key of an image that was made is gone"
[ ! -e demo.img.converting ] || fail "left over: $(ls demo.img.converting)"
rm -r demo.*

exit "$failed"
