# shellcheck shell=bash disable=SC2034,SC2154
# in_place_lib.sh: a disk that is encrypted in its own file, stopped where its plan is made and nothing is moved yet, so that what
# comes after can be tried from there, again and again. Sourced after convert_lib.sh and faults_lib.sh.

esp_mib=64 payload_at=81 # of the new disk: table, ESP, LUKS2 header

# make_root: the folder "system", with a kernel in its /boot, and more in use than two windows of the move.
make_root() {
    make_distribution
    mv distribution system
    cp distribution.boot/vmlinuz-6.12.0-test system/boot/
    grep -v "$boot_uuid" system/etc/fstab >fstab.new
    mv fstab.new system/etc/fstab
    head -c 18000000 /dev/urandom >system/var/large
    echo "words in the clear" >system/var/words
    mke2fs -q -F -t ext4 -b 4096 -U "$root_uuid" -E root_owner=0:0 -d system root.ext4 48M >/dev/null
    # What a file left that is not there any more.
    debugfs -w -R 'rm var/words' root.ext4 >/dev/null 2>&1
    grep -qa "words in the clear" root.ext4 || fail "the words are not in the free space"
}

# make_disk_at MIB FILE: the root in a partition that begins there; "none": without a table.
make_disk_at() {
    if [ "$1" = none ]; then
        cp --sparse=always root.ext4 "$2"
        return
    fi
    rm -f "$2" part.swap
    truncate -s 16M part.swap
    truncate -s "$(($1 + 48 + 20))M" "$2"
    printf 'label: gpt\nstart=%sMiB,size=48MiB,type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709\nstart=%sMiB,size=16MiB,type=S\n' "$1" $(($1 + 48)) | sfdisk -q "$2"
    dd if=root.ext4 of="$2" bs=1M seek="$1" conv=notrunc,sparse status=none
    mkswap -q part.swap 2>/dev/null
    dd if=part.swap of="$2" bs=1M seek=$(($1 + 48)) conv=notrunc,sparse status=none
    printf 'words of the swap partition' | dd of="$2" bs=1 seek=$((($1 + 50) << 20)) conv=notrunc status=none
}

# make_image FILE…: convert, with options.
# shellcheck disable=SC2317 # other functions call it
make_image() {
    "$cloister" image convert "$@" --stub "$stub" --key keys/db.key --cert keys/db.crt --varstore vars.fd --broker https://10.0.2.2:8443 \
        --broker-key broker.pem --init "$small_init"
}

# plan_disk MIB [OPTION]…: demo.img and its journal as they are once the plan is made, in the folder "planned"; as it is when all is done, in "finished".
plan_disk() {
    local at=$1
    shift
    rm -rf demo.* planned finished
    make_disk_at "$at" demo.img
    cp --sparse=always demo.img first.img
    with_fault 1 kill fallocate make_image demo.img --in-place "$@" >run.log 2>&1
    [ $? = 137 ] || fail "$at: not killed: $(tail -n 1 run.log)"
    [ -s demo.img.converting/plan ] || fail "$at: no plan"
    cmp -s -n "$(stat -c %s first.img)" first.img demo.img || fail "$at: the image was changed before all was planned"
    mkdir planned finished
    cp -a --sparse=always demo.* planned/
    expect "$at: resumed" 0 "LUKS2" make_image demo.img --in-place --resume "$@"
    [ ! -e demo.img.converting ] || fail "$at: left over: $(ls demo.img.converting)"
    cp -a --sparse=always demo.* finished/
}

# again: as it was when the plan was made.
again() {
    rm -rf demo.*
    cp -a --sparse=always planned/. .
}

# is_done NAME: nothing is left over, and the image is the one that came of it without a fault.
is_done() {
    [ ! -e demo.img.converting ] || fail "$1: left over: $(ls demo.img.converting)"
    cmp -s demo.img finished/demo.img || fail "$1: the image is another"
}

# without_power AT kept|lost COMMAND…: the power goes in the AT-th change.
without_power() {
    local at=$1 names=$2
    shift 2
    POWER_PROGRAM=cloister POWER_AT=$at POWER_NAMES=$names LD_PRELOAD=$power ASAN_OPTIONS=$faults_asan "$@"
}
