#!/bin/bash
# What tests/cli/convert_in_place.sh tries at some places, at each: a disk that is encrypted in its own file is killed, or loses its power,
# in every change that is made after its plan, and is resumed: each time the image is the same, byte for byte. The root moves down and up,
# by more and by less than a window, or stays where it is; with a table and without. And before there is a plan the image is as it was.
# `./check --all` runs it.
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

# count_cuts COMMAND…: how many changes it makes in which the power can go.
count_cuts() {
    POWER_PROGRAM=cloister POWER_COUNT=$work/cuts LD_PRELOAD=$power ASAN_OPTIONS=$faults_asan "$@" >/dev/null || return
    cat "$work/cuts"
}

# resume_after NAME COMMAND…: which is to end in the middle of it; then it is resumed, and is what it would have been.
resume_after() {
    local name=$1 status=0
    shift
    again
    "$@" make_image demo.img --in-place --resume >run.log 2>&1 || status=$?
    [ $status != 0 ] || fail "$name: it went on to the end"
    tries=$((tries + 1))
    # Once more in the middle of that: what is done again is done as before.
    [ $((tries % 3)) != 0 ] || with_fault 9 kill "" make_image demo.img --in-place --resume >run.log 2>&1
    [ ! -e demo.img.converting ] || expect "$name: resumed" 0 "" make_image demo.img --in-place --resume
    is_done "$name"
}

tries=0
for at in 80 none 81 82 100; do
    plan_disk $at
    # What came of it: the root, in a file system that is whole.
    cp -a --sparse=always finished/. .
    open_root demo.img demo.disk.key plain
    e2fsck -fn plain >e2fsck.log 2>&1 || fail "$at: e2fsck: $(cat e2fsck.log)"
    in_root plain 'dump var/large large' >/dev/null
    cmp -s large system/var/large || fail "$at: the content is another"
    ! grep -qa "words in the clear\|words of the swap" demo.img || fail "$at: something is in the clear"
    changes=$(again && count_changes make_image demo.img --in-place --resume) || fail "$at: count"
    cuts=$(again && count_cuts make_image demo.img --in-place --resume) || fail "$at: count"
    # All of them where the windows lie over each other; else each sixth.
    step=6
    [ $at != 80 ] || step=1
    for ((i = 1; i <= changes; i += step)); do
        of_many || continue
        resume_after "$at: killed in change $i" with_fault $i kill ""
    done
    for ((i = 1; i <= cuts; i += step)); do
        of_many || continue
        resume_after "$at: names are kept, no power from change $i on" without_power $i kept
        resume_after "$at: names are lost, no power from change $i on" without_power $i lost
    done
    for ((i = 2; i <= changes; i += 7)); do
        of_many || continue
        for what in ENOSPC EIO; do
            again
            status=0
            with_fault $i $what "" make_image demo.img --in-place --resume >run.log 2>&1 || status=$?
            # The journal's own removal, at the end, may fail.
            [ $status = 4 ] || [ $status = 0 ] || fail "$at: $what in change $i: exit status $status: $(cat run.log)"
            [ ! -e demo.img.converting ] || expect "$at: $what in change $i: resumed" 0 "" make_image demo.img --in-place --resume
            cmp -s demo.img finished/demo.img || fail "$at: $what in change $i: the image is another"
        done
    done
    echo "$at: $changes changes, $cuts with power; $tries times so far"
done

# Before there is a plan.
rm -rf demo.*
cp --sparse=always first.img demo.img
changes=$(count_changes make_image demo.img --in-place) || fail "count"
for ((i = 1; i < changes; i += 12)); do
    of_many || continue
    rm -rf demo.*
    cp --sparse=always first.img demo.img
    with_fault $i kill "" make_image demo.img --in-place >run.log 2>&1
    # With a plan it may be on its way; with neither it is finished.
    if [ -e demo.img.converting ] && [ ! -e demo.img.converting/plan ]; then
        cmp -s demo.img first.img || [ "$(jq .finished demo.img.converting/journal.json 2>/dev/null)" = true ] ||
            [ -z "$(ls demo.img.converting)" ] || fail "killed in change $i: there is no plan, and the image is another"
    fi
    if [ ! -e demo.img.converting ] && [ ! -e demo.ref.json ]; then
        cmp -s demo.img first.img || fail "killed in change $i: nothing was begun, and the image is another"
        continue
    fi
    rm -f plain large
    [ ! -e demo.img.converting ] || expect "killed in change $i: resumed" 0 "" make_image demo.img --in-place --resume
    [ ! -e demo.img.converting ] || fail "killed in change $i: left over: $(ls demo.img.converting)"
    open_root demo.img demo.disk.key plain
    e2fsck -fn plain >e2fsck.log 2>&1 || fail "killed in change $i: e2fsck: $(cat e2fsck.log)"
    in_root plain 'dump var/large large' >/dev/null
    cmp -s large system/var/large || fail "killed in change $i: the content is another"
done
exit "$failed"
