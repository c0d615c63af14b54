#!/bin/bash
# A conversion whose power goes, again and again, at a place in its work: what was not flushed is lost, and the renamings with it in every
# second one. Resumed, it ends with the same root, its tags all there. CLOISTER_CUTS: how often; default 5. And a source that cannot be read in the
# middle is told in one line, with nothing lost.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
# shellcheck source=tests/cli/convert_lib.sh
. "$(dirname "$0")/convert_lib.sh"
init=$small_init
power=$(absolute "$2")
cd "$work" || exit 4
PATH=$PATH:/sbin:/usr/sbin
export TMPDIR="$work"
cuts=${CLOISTER_CUTS:-5}
skip_without mke2fs mkfs.vfat mkswap mcopy jq sfdisk debugfs e2fsck cryptsetup python3
make_image_inputs
make_distribution
head -c 12000000 /dev/urandom >distribution/var/large
make_disk disk.raw

# convert [OPTION]…
# shellcheck disable=SC2317 # other functions call it
convert() {
    "$cloister" image convert disk.raw demo.img --stub "$stub" --key keys/db.key --cert keys/db.crt --varstore vars.fd --integrity hmac-sha256 \
        --esp-size 34M --broker https://10.0.2.2:8443 --broker-key broker.pem --init "$init" "$@"
}
# cut AT kept|lost [OPTION]…: without power from the AT-th change on.
cut() {
    local at=$1 names=$2
    shift 2
    POWER_PROGRAM=cloister POWER_AT=$at POWER_NAMES=$names LD_PRELOAD=$power ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0 convert "$@" >run.log 2>&1
}

# whole: the image has the root that it was made of, and its tags; nothing is left over.
whole() {
    [ ! -e demo.img.converting ] || fail "left over: $(ls demo.img.converting)"
    start=$("$cloister" image inspect demo.img --json | jq '.partitions[1].offset')
    dd if=demo.img of=root.luks bs=1M iflag=skip_bytes skip="$start" conv=sparse status=none
    rm -f vk
    cryptsetup luksDump -q --dump-volume-key --volume-key-file vk --key-file demo.disk.key root.luks >/dev/null 2>dump.log || fail "the volume key: $(cat dump.log)"
    python3 "$CLOISTER_TESTS/cli/tags.py" root.luks vk plain >tags.out 2>tags.err || fail "tags: $(tail -n 1 tags.err)"
    [ "$(wc -w <tags.out)" = 1 ] || fail "wrong tags: $(head -c 200 tags.out)"
    e2fsck -fn plain >e2fsck.log 2>&1 || fail "e2fsck: $(cat e2fsck.log)"
    in_root plain 'dump var/large large' >/dev/null
    cmp -s large distribution/var/large || fail "the content is another"
}

POWER_PROGRAM=cloister POWER_COUNT=$work/changes LD_PRELOAD=$power ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0 convert >/dev/null || fail "convert"
changes=$(cat changes)
[ "$changes" -gt 100 ] || fail "only $changes changes of files"
rm -f demo.*
gone=0
for turn in $(seq "$cuts"); do
    names=kept
    [ $((turn % 2)) = 0 ] || names=lost
    # One in four anywhere; the others while it is encrypting, which is the later half.
    at=$((turn * changes / (cuts + 1)))
    [ $((turn % 4)) = 0 ] || at=$(((changes + at) / 2))
    cut "$at" $names --resume
    status=$?
    case $status in
    137) gone=$((gone + 1)) ;;
    0)
        whole
        rm -rf demo.*
        ;;
    *) fail "cut $turn: exit status $status: $(tail -n 1 run.log)" ;;
    esac
    [ ! -e demo.img ] || [ -e demo.img.converting ] || expect "under its final name" 0 "a guest opens it" "$cloister" image inspect demo.img
done
echo "$gone cuts, of $changes changes in a whole conversion"
[ "$gone" -gt $((cuts / 2)) ] || fail "the power went only $gone times"
expect "resumed" 0 "LUKS2" convert --resume
whole

# A block of the root cannot be read: one line, nothing under the final name, and once it can be read, it goes on.
rm -rf demo.*
block=$(in_root part.root 'blocks var/large' | tr -s ' ' '\n' | grep . | tail -n 1)
# shellcheck disable=SC2317 # expect calls it
bad() {
    POWER_PROGRAM=cloister POWER_BAD=$((59 * 1048576 + block * 4096 + 100)) POWER_OF=$(stat -c %s disk.raw) LD_PRELOAD=$power ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0 convert "$@"
}
expect "a source that cannot be read" 3 "Input/output error (--resume goes on from here)" bad
[ ! -e demo.img ] || fail "an image of half a root"
grep -q '"done":[1-9]' demo.img.converting/journal.json || fail "what was read is lost: $(cat demo.img.converting/journal.json)"
expect "and can be read again" 0 "LUKS2" convert --resume
whole
exit "$failed"
