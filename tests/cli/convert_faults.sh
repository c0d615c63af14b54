#!/bin/bash
# Conversions of every form, killed in the middle of a change to a file, or without power from one on, again and again, and resumed each time:
# each ends with the same root, and what has its final name is whole. `./check --all` runs it. CLOISTER_KILLS and CLOISTER_CUTS: how often, over
# all forms; default 5 each.
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
power=$(absolute "$3")
cd "$work" || exit 4
PATH=$PATH:/sbin:/usr/sbin
export TMPDIR="$work"
skip_without qemu-img mke2fs mkfs.vfat mkswap mcopy jq sfdisk debugfs e2fsck cryptsetup veritysetup python3 tar
make_image_inputs
make_distribution
head -c 12000000 /dev/urandom >distribution/var/large
make_disk disk.raw
qemu-img convert -f raw -O qcow2 -c disk.raw disk.qcow2 || fail "qemu-img"
mkdir folder
cp -a distribution/. folder/
mv folder/boot/vmlinuz-6.12.0-test . 2>/dev/null
cp distribution.boot/vmlinuz-6.12.0-test folder/boot/
tar -C folder -cf root.tar .

# What is converted, and how.
forms=("disk.raw" "disk.qcow2 --integrity hmac-sha256" "disk.raw --integrity hmac-sha256 --sector-size 512" "disk.raw --verity"
    "disk.raw --format vhd --encrypt-free" "folder" "root.tar --integrity hmac-sha256")
kills=${CLOISTER_KILLS:-5} cuts=${CLOISTER_CUTS:-5}

# convert [OPTION]…: the form that it is about.
# shellcheck disable=SC2317 # other functions call it
convert() {
    # shellcheck disable=SC2086 # words
    set -- ${form#* } "$@"
    [ "${form#* }" != "$form" ] || shift
    "$cloister" image convert "${form%% *}" demo.img --stub "$stub" --key keys/db.key --cert keys/db.crt --varstore vars.fd --esp-size 34M \
        --broker https://10.0.2.2:8443 --broker-key broker.pem --init "$init" "$@"
}
# killed AT, cut AT: it ends with 137 where that came to pass.
# shellcheck disable=SC2317 # faults_of calls them
killed() { with_fault "$1" kill "" convert --resume >run.log 2>&1; }
# shellcheck disable=SC2317
cut() {
    local names=kept
    [ $(($1 % 2)) = 0 ] || names=lost
    POWER_PROGRAM=cloister POWER_AT=$1 POWER_NAMES=$names LD_PRELOAD=$power ASAN_OPTIONS=$faults_asan convert --resume >run.log 2>&1
}

# whole: the root that it was made of, its tags, its tree; nothing is left over.
whole() {
    local at size
    [ ! -e demo.img.converting ] || fail "$form: left over: $(ls demo.img.converting)"
    case $form in
    *hmac*)
        at=$("$cloister" image inspect demo.img --json | jq '.partitions[1].offset')
        size=$("$cloister" image inspect demo.img --json | jq '.partitions[1].bytes')
        dd if=demo.img of=root.luks bs=1M iflag=skip_bytes,count_bytes skip="$at" count="$size" conv=sparse status=none
        rm -f vk
        cryptsetup luksDump -q --dump-volume-key --volume-key-file vk --key-file demo.disk.key root.luks >/dev/null 2>dump.log || fail "$form: the volume key: $(cat dump.log)"
        python3 "$CLOISTER_TESTS/cli/tags.py" root.luks vk plain >tags.out 2>tags.err || fail "$form: tags: $(tail -n 1 tags.err)"
        [ "$(wc -w <tags.out)" = 1 ] || fail "$form: wrong tags: $(head -c 200 tags.out)"
        ;;
    *) open_root demo.img demo.disk.key plain ;;
    esac
    e2fsck -fn plain >e2fsck.log 2>&1 || fail "$form: e2fsck: $(cat e2fsck.log)"
    in_root plain 'dump var/large large' >/dev/null
    cmp -s large distribution/var/large || fail "$form: the content is another"
    case $form in
    *verity*)
        # The tree follows the file system, which is of whole MiB here.
        at=$((96 << 20))
        veritysetup verify plain plain "$(cat demo.img.roothash)" --hash-offset=$at >verity.log 2>&1 || fail "$form: $(cat verity.log)"
        ;;
    esac
}

# faults KIND TIMES: `killed` or `cut` at so many places from the first change to beyond the last. Adds to `count`.
faults_of() {
    local kind=$1 times=$2 turn status
    for turn in $(seq "$times"); do
        "$kind" $(((turn * 2 - 1) * (changes + changes / 8) / (times * 2) + 1))
        status=$?
        case $status in
        137)
            count=$((count + 1))
            [ ! -e demo.img ] || [ -e demo.img.converting ] || expect "$form: under its final name" 0 "a guest opens it" "$cloister" image inspect demo.img
            ;;
        0)
            whole
            rm -rf demo.*
            ;;
        *) fail "$form: $kind $turn: exit status $status: $(tail -n 1 run.log)" ;;
        esac
    done
}

all_kills=0 all_cuts=0 left=${#forms[@]}
for form in "${forms[@]}"; do
    rm -rf demo.*
    changes=$(count_changes convert) || fail "$form: convert"
    [ "$changes" -gt 100 ] || fail "$form: only $changes changes of files"
    rm -rf demo.*
    # What was missed so far is made up for by those that are left.
    count=0
    faults_of killed $(((kills - all_kills + left - 1) / left))
    all_kills=$((all_kills + count)) count=0
    faults_of cut $(((cuts - all_cuts + left - 1) / left))
    all_cuts=$((all_cuts + count)) left=$((left - 1))
    expect "$form: resumed" 0 "" convert --resume
    whole
    echo "$form: $changes changes; $all_kills kills and $all_cuts cuts so far"
done
echo "$all_kills times killed, $all_cuts times without power, over ${#forms[@]} forms"
[ "$all_kills" -gt $((kills / 2)) ] || fail "killed only $all_kills times"
[ "$all_cuts" -gt $((cuts / 2)) ] || fail "the power went only $all_cuts times"
exit "$failed"
