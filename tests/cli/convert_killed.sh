#!/bin/bash
# A conversion that is killed, again and again, at random moments, and resumed each time: it ends with the same root, and at no
# moment is there an image under the final name that is not whole. CLOISTER_KILLS: how often; default 12.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
# shellcheck source=tests/cli/convert_lib.sh
. "$(dirname "$0")/convert_lib.sh"
init=$(absolute "$2")
cd "$work" || exit 4
PATH=$PATH:/sbin:/usr/sbin
export TMPDIR="$work"
kills=${CLOISTER_KILLS:-12}
skip_without mke2fs mkfs.vfat mkswap mcopy jq sfdisk debugfs e2fsck cryptsetup python3
make_image_inputs
make_distribution
head -c 60000000 /dev/urandom >distribution/var/large
make_disk disk.raw

convert() {
    "$cloister" image convert disk.raw demo.img --stub "$stub" --key keys/db.key --cert keys/db.crt --varstore vars.fd \
        --broker https://10.0.2.2:8443 --broker-key broker.pem --init "$init" "$@"
}
# How long it takes when nobody kills it.
started=$(date +%s%N)
convert >/dev/null || fail "convert"
took=$((($(date +%s%N) - started) / 1000000))
rm -f demo.*

# killed MS [OPTION]…: runs it, and kills it then; false: it was done before.
killed() {
    wait_ms=$1
    shift
    convert "$@" >run.log 2>&1 &
    pid=$!
    sleep "$(printf '%d.%03d' $((wait_ms / 1000)) $((wait_ms % 1000)))"
    # The program itself: bash runs a function in the background as a process of its own.
    child=$(pgrep -P "$pid" | head -n 1)
    kill -9 "${child:-$pid}" 2>/dev/null
    wait "$pid"
    [ $? = 137 ]
}
count=0 finished=0
for _ in $(seq "$kills"); do
    if killed $((RANDOM % (took + took / 5) + 20)) --resume; then
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
echo "killed $count times, finished between them $finished times, of $took ms each"
[ "$count" -gt 0 ] || fail "nothing was killed"
[ ! -e demo.img.converting ] || expect "not without being asked" 1 "--resume finishes it" convert
expect "resumed" 0 "LUKS2" convert --resume
[ ! -e demo.img.converting ] || fail "left over: $(ls demo.img.converting)"
open_root demo.img demo.disk.key plain.ext4
e2fsck -fn plain.ext4 >e2fsck.log 2>&1 || fail "e2fsck: $(cat e2fsck.log)"
in_root plain.ext4 'dump var/large large' >/dev/null
cmp -s large distribution/var/large || fail "the content is another"

# Another input than the one that was begun with is refused, and so is another disk key.
rm -rf demo.*
tries=0
until [ "$tries" -ge 20 ] || { [ -s demo.img.converting/journal.json ] && jq -e '.identity != ""' demo.img.converting/journal.json >/dev/null; }; do
    rm -rf demo.*
    killed $((took * (40 + RANDOM % 50) / 100)) || true
    tries=$((tries + 1))
done
if [ -e demo.img.converting/journal.json ]; then
    touch disk.raw
    expect "another input" 1 "is of another input, or of other options" convert --resume
    head -c 64 /dev/urandom >other.key
    expect "another key" 1 "the disk key does not open it" convert --resume --disk-key other.key
    [ -e demo.img.converting/disk ] || fail "what was begun is gone"
else
    echo "note: was never killed while it was encrypting: what a resumed run refuses was not tried"
fi
exit "$failed"
