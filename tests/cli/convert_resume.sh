#!/bin/sh
# What a conversion leaves that failed or was killed, and what a resumed one makes of it: an image that was finished stays as it is,
# with its key, and what another user put there is not taken over.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
init=$small_init
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

# journal FINISHED: the folder as it is when the conversion is killed after the image got its name.
journal() {
    rm -rf demo.img.converting
    mkdir -m 700 demo.img.converting
    printf '{"cloister_journal":1,"created":1,"seed":"7c9a2f34-1be5-4d1e-9f6a-3f6f1f0c9e11","identity":"00","done":0,"finished":%s}' "$1" \
        >demo.img.converting/journal.json
}
# is_untouched NAME: the image is the one that is in use by now.
is_untouched() { [ "$used" = "$(stat -c %i demo.img) $(sha256sum <demo.img)" ] || fail "$1: the image is another"; }

# The journal says "finished" before the image gets its name: here it cannot get it.
mkdir -p demo.img/in-the-way
expect "no name" 4 "demo.img: " convert
[ "$(jq .finished demo.img.converting/journal.json)" = true ] || fail "the journal does not say that the image is whole"
cp demo.img.converting/header header
rm -r demo.img
expect "its name at last" 0 "LUKS2" convert --resume
[ ! -e demo.img.converting ] || fail "left over: $(ls demo.img.converting)"

# Killed after that, the image was put into use, and only then the conversion is resumed.
printf 'written by the guest' | dd of=demo.img bs=1 seek=20000000 conv=notrunc status=none
used="$(stat -c %i demo.img) $(sha256sum <demo.img)"
journal true
cp header demo.img.converting/header
expect "resumed with another key" 1 "the disk key does not open it" convert --resume --disk-key disk.key
is_untouched "resumed with another key"
expect "an image in use" 0 "an earlier run finished it" convert --resume
is_untouched "an image in use"
[ ! -e demo.img.converting ] || fail "left over: $(ls demo.img.converting)"
journal true
expect "an image in use, JSON" 0 '"was_finished": true' convert --resume --json
is_untouched "an image in use, JSON"
journal false
expect "not said to be finished" 1 "demo.img: is there, and the conversion that is resumed did not finish it" convert --resume
is_untouched "not said to be finished"
rm demo.img.converting/journal.json
expect "no journal" 1 "demo.img: is there, and no journal says whether it is finished" convert --resume
is_untouched "no journal"
mv demo.img away.img
journal true
expect "moved away" 1 "demo.img: was finished, and is not there any more" convert --resume
[ ! -e demo.img ] || fail "a second image under the same key"
rm -rf demo.*

# The passphrase: the header that is kept has it, or has it not; other options than those do not go on with it.
printf 'correct horse' >passphrase
printf 'another' >other
mkdir -p demo.img/in-the-way
expect "begun with a passphrase on the disk" 4 "demo.img: " convert --recovery-passphrase-file passphrase
rm -r demo.img
header=$(sha256sum <demo.img.converting/header)
expect "which is to be elsewhere then" 1 "with it elsewhere: the same options go on with it; to begin anew, remove demo.img.converting" \
    convert --resume --recovery-passphrase-file passphrase --recovery-header owner.luks
expect "or is another" 1 "was begun with another passphrase" convert --resume --recovery-passphrase-file other
expect "or none" 1 "was begun with another passphrase" convert --resume
[ ! -e demo.img ] || fail "an image under other options"
[ ! -e owner.luks ] || fail "a header of the owner's under other options"
[ "$header" = "$(sha256sum <demo.img.converting/header)" ] || fail "the header was changed"
expect "with the same options" 0 "LUKS2" convert --resume --recovery-passphrase-file passphrase
expect "its slots" 0 "2 key slots" "$cloister" image inspect demo.img
rm -rf demo.*
mkdir -p demo.img/in-the-way
expect "begun with the passphrase elsewhere" 4 "demo.img: " convert --recovery-passphrase-file passphrase --recovery-header owner.luks
rm -r demo.img
expect "which is to be on the disk then" 1 "was begun with another passphrase" convert --resume --recovery-passphrase-file passphrase
expect "with the same options again" 0 "recovery   owner.luks" convert --resume --recovery-passphrase-file passphrase --recovery-header owner.luks
expect "its slot" 0 "1 key slots" "$cloister" image inspect demo.img
expect "the owner's slots" 0 "2 key slots" "$cloister" image inspect demo.img --header owner.luks
rm -rf demo.* owner.luks

# Another user foresaw the folder: a link, or one that he can write to, or that is his.
mkdir -m 700 theirs
ln -s theirs demo.img.converting
expect "a link" 1 "demo.img.converting: not a folder" convert --resume
rm demo.img.converting
for mode in 777 770 720; do
    mkdir demo.img.converting
    chmod $mode demo.img.converting
    expect "mode $mode" 1 "demo.img.converting: not a folder of this user's alone" convert --resume
    rmdir demo.img.converting
done
if [ "$(id -u)" = 0 ]; then
    mkdir -m 700 demo.img.converting
    chown 65534 demo.img.converting
    expect "another user's" 1 "demo.img.converting: not a folder of this user's alone" convert --resume
    rmdir demo.img.converting
fi
mkdir -m 700 demo.img.converting
ln -s ../victim demo.img.converting/disk
expect "the disk is a link" 4 "demo.img.converting/disk: " convert --resume
[ ! -e victim ] || fail "a file that the folder's maker named was written"
[ -z "$(find theirs -mindepth 1)" ] || fail "something was written: $(find theirs)"
rm -rf demo.*

exit "$failed"
