#!/bin/bash
# A conversion that is killed, again and again, in the middle of one of its changes to files, and resumed each time: it ends with the same
# root, and at no moment is there an image under the final name that is not whole. CLOISTER_KILLS: how often; default 10.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
# shellcheck source=tests/cli/convert_lib.sh
. "$(dirname "$0")/convert_lib.sh"
# shellcheck source=tests/cli/faults_lib.sh
. "$(dirname "$0")/faults_lib.sh"
init=$small_init
faults=$(absolute "$2")
cd "$work" || exit 4
PATH=$PATH:/sbin:/usr/sbin
export TMPDIR="$work"
kills=${CLOISTER_KILLS:-10}
skip_without mke2fs mkfs.vfat mkswap mcopy jq sfdisk debugfs e2fsck cryptsetup python3
make_image_inputs
make_distribution
head -c 30000000 /dev/urandom >distribution/var/large
make_disk disk.raw

# convert [OPTION]…
# shellcheck disable=SC2317 # other functions call it
convert() {
    "$cloister" image convert disk.raw demo.img --stub "$stub" --key keys/db.key --cert keys/db.crt --varstore vars.fd \
        --broker https://10.0.2.2:8443 --broker-key broker.pem --init "$init" "$@"
}
# killed AT [CALLS] [OPTION]…: runs it, and has it killed in the AT-th of these calls; false: it was done before.
killed() {
    local at=$1 counted=$2
    shift 2
    with_fault "$at" kill "$counted" convert "$@" >run.log 2>&1
    [ $? = 137 ]
}

changes=$(count_changes convert) || fail "convert"
[ "$changes" -gt 100 ] || fail "only $changes changes of files"
rm -f demo.*
count=0 finished=0
for turn in $(seq "$kills"); do
    # From the first change to the last, and twice beyond it.
    if killed $((turn * (changes + changes / 5) / kills)) "" --resume; then
        count=$((count + 1))
        [ ! -e demo.img ] || [ -e demo.img.converting ] || expect "killed at the end" 0 "a guest opens it" "$cloister" image inspect demo.img
    else
        # Done, whole, and nothing left over; from the start again.
        finished=$((finished + 1))
        [ ! -e demo.img.converting ] || fail "left over: $(ls demo.img.converting); $(tail -n 1 run.log)"
        expect "whole" 0 "a guest opens it" "$cloister" image inspect demo.img
        rm -rf demo.*
    fi
done
echo "killed $count times, finished between them $finished times, of $changes changes each"
[ "$count" -gt $((kills / 3)) ] || fail "killed only $count times"
[ ! -e demo.img.converting ] || expect "not without being asked" 1 "--resume finishes it" convert
expect "resumed" 0 "LUKS2" convert --resume
[ ! -e demo.img.converting ] || fail "left over: $(ls demo.img.converting)"
open_root demo.img demo.disk.key plain.ext4
e2fsck -fn plain.ext4 >e2fsck.log 2>&1 || fail "e2fsck: $(cat e2fsck.log)"
in_root plain.ext4 'dump var/large large' >/dev/null
cmp -s large distribution/var/large || fail "the content is another"

# Another input than the one that was begun with is refused, and so is another disk key: in the middle of what is written to the disk.
rm -rf demo.*
written=$(FAULTS_CALLS=pwrite count_changes convert)
rm -rf demo.*
killed $((written / 2)) pwrite || fail "not killed while it was encrypting: $(tail -n 1 run.log)"
touch disk.raw
expect "another input" 1 "is of another input, or of other options" convert --resume
head -c 64 /dev/urandom >other.key
expect "another key" 1 "the disk key does not open it" convert --resume --disk-key other.key
[ -e demo.img.converting/disk ] || fail "what was begun is gone"

# A disk that is full, and one that fails, at every part of the work: one line, no image; and once there is room, it goes on.
rm -rf demo.*
for part in 2 5 8; do
    for fault in ENOSPC EIO; do
        with_fault $((changes * part / 10)) $fault "" convert --resume >out.log 2>run.log
        status=$?
        [ "$status" = 4 ] || fail "$fault at $part tenths: exit status $status: $(cat run.log)"
        [ "$(wc -l <run.log)" = 1 ] || fail "$fault at $part tenths: not one line: $(cat run.log)"
        [ ! -e demo.img ] || fail "$fault at $part tenths: an image"
    done
done
expect "there is room again" 0 "LUKS2" convert --resume
exit "$failed"
