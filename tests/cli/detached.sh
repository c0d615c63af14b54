#!/bin/sh
# LUKS2 headers in files of their own, as cryptsetup's --header takes them: the owner's, with the passphrase that is not on the disk; and a
# data disk's, which cryptsetup made: looked into, given a recovery key, opened by a TPM.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
decrypt=$(absolute "$(dirname "$0")/decrypt.py")
cd "$work" || exit 4
PATH=$PATH:/usr/sbin:/sbin
skip_without cryptsetup jq mke2fs mkfs.vfat mcopy
make_image_inputs
printf 'correct horse' >passphrase

# build OUTPUT [OPTION]…
# shellcheck disable=SC2317 # expect calls it
build() {
    output=$1
    shift
    "$cloister" image build root --kernel vmlinuz --modules "$modules" --stub "$stub" --cmdline x --key keys/db.key --cert keys/db.crt --varstore vars.fd \
        --broker https://b --broker-key broker.pem --init "$small_init" --output "$output" "$@"
}
# opens KEY VOLUME [OPTION]…
opens() {
    key=$1 volume=$2
    shift 2
    cryptsetup open --test-passphrase --key-file "$key" "$@" "$volume" 2>open.log
}
# volume_key VOLUME KEY OUTPUT [OPTION]…
volume_key() {
    volume=$1 key=$2 output=$3
    shift 3
    cryptsetup luksDump -q --dump-volume-key --volume-key-file "$output" --key-file "$key" "$@" "$volume" >/dev/null 2>open.log
}
root_of() {
    start=$("$cloister" image inspect "$1" --json | jq '.partitions[1].offset')
    dd if="$1" of="$2" bs=1M iflag=skip_bytes,count_bytes skip="$start" count="$("$cloister" image inspect "$1" --json | jq '.partitions[1].bytes')" \
        conv=sparse status=none
}

# The owner's: the disk has the broker's key alone, the file the passphrase too; cryptsetup opens the one with the other.
for kind in none aes-gcm; do
    expect "$kind: build" 0 "recovery   $kind.luks, a detached header" build "$kind.img" --integrity "$kind" --recovery-passphrase-file passphrase \
        --recovery-header "$kind.luks"
    [ "$(stat -c '%s %a' "$kind.luks")" = "16777216 600" ] || fail "$kind: $(stat -c '%s %a' "$kind.luks")"
    root_of "$kind.img" root.luks
    opens "$kind.disk.key" root.luks || fail "$kind: the disk's key: $(cat open.log)"
    opens passphrase root.luks && fail "$kind: the passphrase opens what its host has"
    opens passphrase root.luks --header "$kind.luks" || fail "$kind: the passphrase, by its header: $(cat open.log)"
    opens "$kind.disk.key" root.luks --header "$kind.luks" || fail "$kind: the disk's key, by that header: $(cat open.log)"
    expect "$kind: its slots" 0 "1 key slots: a guest opens it" "$cloister" image inspect "$kind.img"
    expect "$kind: the header's slots" 0 "2 key slots: a detached header" "$cloister" image inspect "$kind.img" --header "$kind.luks"
done
volume_key root.luks aes-gcm.disk.key one || fail "the volume key: $(cat open.log)"
volume_key root.luks passphrase two --header aes-gcm.luks || fail "the volume key, by the header: $(cat open.log)"
cmp -s one two || fail "two volume keys"
root_of none.img root.luks
volume_key root.luks passphrase vk --header none.luks || fail "the root's volume key: $(cat open.log)"
python3 "$decrypt" root.luks vk plain || fail "the root is not decrypted"
debugfs -R 'cat /etc/os-release' plain 2>/dev/null | grep -q '^ID=test' || fail "the root's files are not found"
expect "it is not overwritten" 1 "none.luks: is there already" build again.img --recovery-passphrase-file passphrase --recovery-header none.luks
[ ! -e again.img ] || fail "an image was made all the same"
expect "without a passphrase" 2 "--recovery-header: goes with --recovery-passphrase-file" build again.img --recovery-header new.luks
for name in again.img again.disk.json again.ref.json again.disk.key; do
    expect "in place of $name" 2 "is another file of this image" build again.img --recovery-passphrase-file passphrase --recovery-header "$name"
done
for name in again.*; do [ ! -e "$name" ] || fail "after a failure: $name"; done
expect "another disk's header" 1 "it is of another disk" "$cloister" image inspect none.img --header aes-gcm.luks
expect "not a header" 1 "no LUKS header" "$cloister" image inspect none.img --header vars.fd
expect "no file" 3 "--header none: " "$cloister" image inspect none.img --header none
expect "a recovery key in it" 0 "recovery" "$cloister" recovery enroll none.luks --key none.disk.key
cp none.disk.json before.json
expect "which is not the disk's own header" 1 "is of another header than this one" "$cloister" recovery enroll none.luks --key none.disk.key --disk none.disk.json
cmp -s none.disk.json before.json || fail "the disk's identity was changed"

# A data disk of cryptsetup's: on the device there is nothing but what is encrypted, from its first byte on.
truncate -s 20M data
head -c 64 /dev/urandom >key
cryptsetup luksFormat -q --header data.luks --sector-size 4096 --key-size 512 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 data key || fail "luksFormat"
expect "a data disk" 0 "a detached header, which a guest takes" "$cloister" image inspect data --header data.luks
"$cloister" image inspect data --header data.luks --json | jq -e '.offset == 0 and .header.fit and .header.detached and (.header.slots | length == 1)' >/dev/null ||
    fail "in JSON"
expect "without its header" 3 "neither a partition table nor a file system" "$cloister" image inspect data
expect "a recovery key" 0 "recovery" "$cloister" recovery enroll data.luks --key key
sed -n 's/^recovery *//p' out | tr -d '\n' >typed
opens typed data --header data.luks || fail "the recovery key: $(cat open.log)"
expect "which opens it" 0 "opens key slot 1 of data.luks" "$cloister" recovery check data.luks --recovery-key typed
: >empty
expect "an empty file" 1 "no LUKS header" "$cloister" image inspect data --header empty
mke2fs -q -F -t ext4 data
expect "a file system in the clear" 1 "the disk begins with ext4: it is not encrypted under this header" "$cloister" image inspect data --header data.luks
expect "a header that lies on the device" 1 "segment 0: offset 0" "$cloister" unlock data.luks --by-tpm --test --tpm swtpm:none
head -c 20000 data.luks >short.luks
expect "a header that is cut short" 3 "short.luks: too small" "$cloister" unlock data --header short.luks --by-tpm --test --tpm swtpm:none

# By a TPM: the tokens are in the file, and what the device shows is nobody's.
found swtpm "headers with tokens of a TPM are not tried" || exit "$failed"
begin_tpm tpm "$work/sock"
trap 'kill "$tpm_pid" 2>/dev/null; rm -rf "$work"' EXIT
expect "sealed" 0 "sealed" "$cloister" seal data.luks --key key --pcrs 0,4,7,11,12 --tpm "swtpm:$work/sock"
expect "opened" 0 "opens      " "$cloister" unlock data --header data.luks --by-tpm --test --tpm "swtpm:$work/sock"
expect "the device has no header" 3 "data: LUKS2" "$cloister" unlock data --by-tpm --test --tpm "swtpm:$work/sock"
exit "$failed"
