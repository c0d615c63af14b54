#!/bin/bash
# A disk that becomes the confidential one in its own file: the same as a new file would be, whichever way its root has to move, with nothing
# left in the clear. Killed, without power or without room it goes on; and what is not the image, or not the journal, is refused.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
# shellcheck source=tests/cli/convert_lib.sh
. "$(dirname "$0")/convert_lib.sh"
# shellcheck source=tests/cli/faults_lib.sh
. "$(dirname "$0")/faults_lib.sh"
# shellcheck source=tests/cli/in_place_lib.sh
. "$(dirname "$0")/in_place_lib.sh"
faults=$(absolute "$2")
power=$(absolute "$3")
cd "$work" || exit 4
PATH=$PATH:/sbin:/usr/sbin
export TMPDIR="$work"
skip_without mke2fs mkfs.vfat mkswap mcopy jq sfdisk debugfs e2fsck cryptsetup python3
make_image_inputs
make_root
export SOURCE_DATE_EPOCH=1700000000
same="--seed 7c9a2f34-1be5-4d1e-9f6a-3f6f1f0c9e11 --name demo"

# is_alike NAME: as a new file would be, but for its volume key; nothing of the old disk is left.
is_alike() {
    expect "$1: inspect" 0 "a guest opens it" "$cloister" image inspect demo.img
    open_root demo.img demo.disk.key plain
    cmp -s plain plain.new || fail "$1: the root is another"
    cmp -s -n $((65 << 20)) demo.img new.img || fail "$1: table or ESP are others"
    [ "$(stat -c %s demo.img)" = "$(stat -c %s new.img)" ] || fail "$1: the disk's size is another"
    ! grep -qa "words in the clear\|words of the swap\|update-grub" demo.img || fail "$1: something is in the clear"
    [ ! -e demo.img.converting ] || fail "$1: left over: $(ls demo.img.converting)"
}

make_disk_at 100 disk.raw
# shellcheck disable=SC2086 # words
expect "a new file" 0 "LUKS2" make_image disk.raw new.img $same
open_root new.img new.disk.key plain.new
e2fsck -fn plain.new >e2fsck.log 2>&1 || fail "e2fsck: $(cat e2fsck.log)"
in_root plain.new 'dump var/large large' >/dev/null
cmp -s large system/var/large || fail "the content is another"
make_disk_at 100 demo.img
# shellcheck disable=SC2086 # words
expect "downward" 0 "LUKS2" make_image demo.img --in-place $same
is_alike "downward"
cryptsetup open --test-passphrase --key-file demo.disk.key root.luks 2>cryptsetup.log || fail "cryptsetup: $(cat cryptsetup.log)"
# Up by less than a window, each of which lies where the next one is read from.
# shellcheck disable=SC2086 # words
plan_disk 80 $same
is_alike "upward"

# No room for it: the image is as it was, and so is the plan.
again
expect "no room" 4 "nothing was moved yet" with_fault 1 ENOSPC fallocate make_image demo.img --in-place --resume
cmp -s demo.img planned/demo.img || fail "no room: the image was written to"
# A block that cannot be read is found before there is a plan: nothing is left of what was made.
rm -rf demo.*
cp --sparse=always first.img demo.img
block=$(in_root root.ext4 'blocks var/large' | tr -s ' ' '\n' | grep . | tail -n 1)
# shellcheck disable=SC2317 # expect calls it
bad() {
    POWER_PROGRAM=cloister POWER_BAD=$(((80 << 20) + block * 4096 + 100)) POWER_OF=$(stat -c %s demo.img) LD_PRELOAD=$power ASAN_OPTIONS=$faults_asan \
        make_image demo.img --in-place
}
expect "a place that cannot be read" 3 "Input/output error" bad
[ "$(echo demo.*)" = demo.img ] || fail "left over: $(echo demo.*)"
cmp -s demo.img first.img || fail "a place that cannot be read: the image was written to"

# Killed, without power, without room, and on a disk that fails, one after another in the middle of a window.
again
for what in kill kept ENOSPC lost EIO kill; do
    status=0 wanted=137
    case $what in
    kept | lost) without_power 16 $what make_image demo.img --in-place --resume >run.log 2>&1 || status=$? ;;
    *) with_fault 16 $what "" make_image demo.img --in-place --resume >run.log 2>&1 || status=$? ;;
    esac
    case $what in
    ENOSPC | EIO)
        wanted=4
        grep -q -- "--resume goes on from here" run.log || fail "$what: $(cat run.log)"
        ;;
    esac
    [ $status = $wanted ] || fail "$what: exit status $status: $(cat run.log)"
done
expect "half of it" 3 "is half encrypted in place" "$cloister" image inspect demo.img
expect "resumed" 0 "LUKS2" make_image demo.img --in-place --resume
is_done "resumed"

# Neither key, plan, state, window, what is made, nor image is taken if it is another; and nothing is written then.
again
# In the fourth write: the first one of the first window, after the mark, the window in its file, and the mark again.
with_fault 4 kill pwrite make_image demo.img --in-place --resume >run.log 2>&1
mkdir half earlier
cp -a --sparse=always demo.* earlier/
with_fault 40 kill "" make_image demo.img --in-place --resume >run.log 2>&1
cp -a --sparse=always demo.* half/
# altered NAME STATUS WORDS [OPTION]…: refused, with the image as it was; then it is as it was before.
altered() {
    local name=$1 status=$2 words=$3
    shift 3
    cp --sparse=always demo.img before.img
    expect "$name" "$status" "$words" make_image demo.img --in-place --resume "$@"
    cmp -s demo.img before.img || fail "$name: the image was written to"
    [ -s demo.img.converting/plan ] || fail "$name: the journal is gone"
    cmp -s demo.img half/demo.img || cp -a --sparse=always half/demo.img demo.img
    rm -rf demo.img.converting
    cp -a --sparse=always half/demo.img.converting .
}
# Under a lock: of the whole file; of bytes of it, by a process that has it open.
cat >whole <<WHOLE
#!/bin/sh
exec flock demo.img "$cloister" "\$@"
WHOLE
cat >bytes <<BYTES
#!/usr/bin/env python3
import fcntl, subprocess, sys
image = open("demo.img", "rb")
fcntl.lockf(image, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, 100)
sys.exit(subprocess.call(["$cloister"] + sys.argv[1:]))
BYTES
# As a loop device, which the kernel tells of in a folder that is shown to this program alone.
cat >loop <<LOOP
#!/bin/sh
exec unshare -rm sh -c 'mount --bind "\$0" /sys/block && exec "\$@"' "$work/block" "$cloister" "\$@"
LOOP
mkdir -p block/loop77/loop
echo "$work/demo.img" >block/loop77/loop/backing_file
chmod +x whole bytes loop
head -c 64 /dev/urandom >other.key
altered "another key" 1 "the disk key does not open it" --disk-key other.key
invert demo.img.converting/plan 30
altered "another plan" 1 "plan: was changed, or is of another disk key"
invert demo.img.converting/state 12
altered "another state" 1 "state: was changed, or is of another disk key"
for window in demo.img.converting/window.*; do invert "$window" 5000; done
altered "another window" 1 "was changed"
invert demo.img.converting/disk $((66 << 20))
altered "another header" 1 "disk: was changed"
cp --sparse=always first.img demo.img
altered "the image as it was at first" 1 "is not the image that the journal is of"
cp --sparse=always finished/demo.img demo.img
altered "the image as it will be" 1 "is not the image that the journal is of"
cp -a planned/demo.img.converting/. demo.img.converting/
rm demo.img.converting/state
altered "a journal from the beginning" 1 "is not the image that the journal is of"
cp --sparse=always earlier/demo.img demo.img
altered "the image of a window before" 1 "is not the image that the journal is of, or an older copy of it"
cp -a earlier/demo.img.converting/. demo.img.converting/
altered "the journal of a window before" 1 "is not the image that the journal is of, or an older copy of it"
jq -c '.in_place = false' demo.img.converting/journal.json >journal.json
cp journal.json demo.img.converting/journal.json
altered "begun another way" 1 "was begun without --in-place"
echo words >passphrase
altered "a passphrase that was not asked for" 1 "are not as when it was begun" --recovery-passphrase-file passphrase
cloister=./whole altered "locked" 1 "another program has it open"
cloister=./bytes altered "locked by bytes, as QEMU does" 1 "another program has it open"
mv demo.img away.img
expect "not at its name" 3 "No such file" make_image demo.img --in-place --resume
[ -s demo.img.converting/plan ] || fail "not at its name: the journal is gone"
mv away.img demo.img
mv demo.img.converting/plan plan
expect "no plan" 1 "has no plan: bring the whole folder back" make_image demo.img --in-place --resume
for file in disk header state; do
    [ -s demo.img.converting/$file ] || fail "no plan: $file is gone"
done
expect "no plan, as another's output" 1 "was begun with --in-place" make_image first.img demo.img --resume
mv plan demo.img.converting/
expect "as another's output" 1 "Without the folder the image is lost" make_image first.img demo.img --resume
mv demo.img.converting away
expect "no folder" 1 "has no plan: bring the whole folder back" make_image demo.img --in-place --resume --disk-key demo.disk.key --reuse-disk-key test
[ ! -e demo.img.converting ] || fail "no folder: one is there"
mv away demo.img.converting
expect "resumed after all that" 0 "LUKS2" make_image demo.img --in-place --resume
is_done "resumed after all that"
expect "once more" 3 "is encrypted already" make_image demo.img --in-place --disk-key demo.disk.key --reuse-disk-key test
mkdir -m 700 demo.img.converting
expect "killed at its very end" 0 "an earlier run finished it" make_image demo.img --in-place --resume
is_done "killed at its very end"
again
invert demo.img $(((80 << 20) + block * 4096 + 100))
expect "changed since it was planned" 1 "nothing was moved yet" make_image demo.img --in-place --resume
expect "not begun anew over it" 1 "Without the folder the image is lost" make_image demo.img --in-place
expect "nor as the image of another" 1 "Without the folder the image is lost" make_image first.img demo.img
chmod 755 demo.img.converting
expect "a folder for others" 1 "make it so (chown, chmod 700)" make_image demo.img --in-place --resume

# What has it open.
rm -rf demo.*
cp --sparse=always first.img demo.img
cloister=./whole expect "locked" 1 "another program has it open" make_image demo.img --in-place
cloister=./bytes expect "locked by bytes" 1 "another program has it open" make_image demo.img --in-place
if unshare -rm mount --bind block /sys/block 2>/dev/null; then
    cloister=./loop expect "attached as a loop device" 1 "is attached as loop77: losetup -d detaches it" make_image demo.img --in-place
else
    echo "note: no mounts of one's own here: an image that is attached as a loop device is not tried"
fi

# What else is on the disk would be lost: a file system, and what is not known.
mkdir data
echo "the only copy" >data/file
mke2fs -q -F -t ext4 -d data data.ext4 8M >/dev/null
cp --sparse=always first.img other.img
dd if=data.ext4 of=other.img bs=1M seek=128 conv=notrunc status=none
expect "another file system" 3 "partition 2 (ext4" make_image other.img --in-place
expect "what to do about it" 3 "would be erased: copy what is in it elsewhere, then say --drop 2" make_image other.img --in-place
expect "which may be erased" 0 "" "$cloister" image convert other.img --in-place --drop 2 --write-tbs other.tbs --stub "$stub" --cert keys/db.crt \
    --varstore vars.fd --broker https://10.0.2.2:8443 --broker-key broker.pem --init "$small_init"
[ -s other.tbs ] || fail "nothing to be signed"
head -c 16000000 /dev/urandom | dd of=other.img bs=1M seek=128 conv=notrunc status=none
expect "who knows what" 3 "partition 2 (unknown) would be erased" make_image other.img --in-place

# What it does not do.
expect "tags" 2 "--in-place: goes without --integrity" make_image demo.img --in-place --integrity hmac-sha256
expect "a tree" 2 "--in-place: goes without --verity" make_image demo.img --in-place --verity
expect "a VHD" 2 "--in-place: goes without --format vhd" make_image demo.img --in-place --format vhd
expect "two names" 2 "--in-place: DISK is the image" make_image demo.img other.img --in-place
expect "no name" 2 "where does the image go?" make_image demo.img
expect "a folder" 3 "--in-place: not a file" make_image system --in-place
tar -C system -cf demo.tar .
expect "a tar" 3 "--in-place: is not a disk" make_image demo.tar --in-place
cmp -s demo.img first.img || fail "the image was written to"
[ -z "$(find . -maxdepth 1 -name '*.converting')" ] || fail "left over: $(find . -maxdepth 1 -name '*.converting')"
exit "$failed"
