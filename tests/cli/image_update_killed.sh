#!/bin/bash
# `image update` that is killed in each of its changes of a file: what boots then is whole and opens the disk, and the same command run again
# ends well. CLOISTER_KILLS: at how many of them, spread evenly; default 3.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
# shellcheck source=tests/cli/faults_lib.sh
. "$(dirname "$0")/faults_lib.sh"
# shellcheck source=tests/cli/image_update_lib.sh
. "$(dirname "$0")/image_update_lib.sh"
init=$(type -P true)
faults=$(absolute "$2")
cd "$work" || exit 4
PATH=$PATH:/sbin:/usr/sbin
export TMPDIR="$work"
skip_without swtpm tpm2_pcrextend tpm2_readpublic mke2fs mkfs.vfat fsck.fat mcopy jq openssl sfdisk
trap 'tpm_end; rm -rf "$work"' EXIT
make_sealed_image
image_uki demo.img one.efi
make_uki three --key keys/db.key --cert keys/db.crt --uname 6.12.0-three
install=(--uki two.efi --srk srk --reference firmware.ref.json --replace)

# boots WORDS: what firmware starts is one of these, whole, and opens the disk.
boots() {
    image_uki demo.img now.efi || fail "$1: there is no UKI"
    cmp -s now.efi one.efi || cmp -s now.efi two.efi || cmp -s now.efi three.efi || fail "$1: what boots is not whole"
    opens now.efi || fail "$1: the disk does not open: $(cat opens.log)"
}
# each_change WORDS COMMAND…: killed in its changes, one at a time, each time from the same image.
each_change() {
    local part=$1 at i total count=${CLOISTER_KILLS:-3}
    shift
    cp --sparse=always demo.img start.img
    total=$(count_changes "$@") || fail "$part: $*"
    [ "$total" -gt 5 ] || fail "$part: only $total changes"
    [ "$count" -le "$total" ] || count=$total
    for i in $(seq "$count"); do
        at=$((i * total / count))
        cp --sparse=always start.img demo.img
        (with_fault "$at" kill "" "$@" >run.log 2>&1) 2>/dev/null
        [ $? = 137 ] || fail "$part: change $at of $total: not killed: $(cat run.log)"
        boots "$part: killed in change $at of $total"
        expect "$part: once more, after change $at" 0 "" "$@"
        boots "$part: change $at, done again"
        is_whole "$part: change $at, done again"
    done
    echo "$part: killed in $count of $total changes"
}

each_change "installing" update "${install[@]}"
cmp -s now.efi two.efi || fail "the new UKI does not boot"
each_change "a second one" update --uki three.efi --srk srk --reference firmware.ref.json

# Going back is done, or not, and then done by the next call.
cp --sparse=always demo.img start.img
total=$(count_changes update_alone --back) || fail "back"
for at in $((total / 3)) $((total / 2)) $((total * 2 / 3)); do
    cp --sparse=always start.img demo.img
    (with_fault "$at" kill "" update_alone --back >run.log 2>&1) 2>/dev/null
    boots "going back: killed in change $at of $total"
    expect "going back: after change $at" 0 "" update_alone --forget
    boots "going back: change $at, settled"
    is_whole "going back: change $at, settled"
done

# A disk that is full, or fails: one line, and what boots is whole.
cp --sparse=always start.img demo.img
for fault in ENOSPC EIO; do
    with_fault 12 $fault "" update "${install[@]}" >out.log 2>run.log
    status=$?
    [ "$status" = 4 ] || fail "$fault: exit status $status: $(cat run.log)"
    [ "$(wc -l <run.log)" = 1 ] || fail "$fault: not one line: $(cat run.log)"
    boots "$fault"
done
exit "$failed"
