#!/bin/sh
# PCR 5 of a disk that was grown after the image was made: as sfdisk, growpart, sgdisk and systemd-repart leave its
# table, where they are installed; the volume key taken over; and what is not taken.
# shellcheck disable=SC2317 # functions that grown calls
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
init=$small_init
cd "$work" || exit 4
PATH=$PATH:/sbin:/usr/sbin
skip_without mke2fs mkfs.vfat mcopy jq
find_varstore
find_stub
make_kernel vmlinuz
make_modules tree
mkdir -p root/etc root/sbin
: >root/sbin/init
printf 'ID=test\n' >root/etc/os-release
"$cloister" secureboot keygen --output keys >/dev/null || fail "keygen"
"$cloister" secureboot enroll --input "$varstore" --output vars.fd --pk keys/PK.crt --kek keys/KEK.crt --db keys/db.crt >/dev/null || fail "enroll"
head -c 64 /dev/urandom >disk.key
openssl ecparam -name prime256v1 -genkey -noout | openssl ec -pubout -out broker.pem 2>/dev/null
"$cloister" image build root --kernel vmlinuz --modules "$modules" --stub "$stub" --cmdline quiet --sign-key keys/db.key \
    --sign-cert keys/db.crt --varstore vars.fd --disk-key disk.key --broker https://b --broker-key broker.pem --init "$init" \
    --output demo.img >/dev/null || fail "build"

measure() { "$cloister" measure image "$@" --varstore vars.fd; }
# pcr NUMBER IMAGE [OPTION]…
pcr() {
    number=$1
    shift
    measure "$@" --json | jq -r --arg pcr "$number" '.pcrs.sha256[$pcr] | if type == "object" then tojson else . end'
}
asis=$(pcr 5 demo.img)
sectors=$(($(stat -c %s demo.img) / 512))

# What a cloud does first: it copies the image to a larger disk. The table stays, and so does PCR 5.
cp --sparse=always demo.img larger.img
truncate -s 1G larger.img
[ "$(pcr 5 larger.img)" = "$asis" ] || fail "a larger disk alone moves PCR 5"

repart() {
    mkdir -p repart.d
    printf '[Partition]\nType=esp\n' >repart.d/10-esp.conf
    printf '[Partition]\nType=root-x86-64\n' >repart.d/20-root.conf
    systemd-repart --definitions=repart.d --dry-run=no --no-pager "$1"
}
again() { # the root's entry made anew, up to the end
    sgdisk -e "$1" &&
        sgdisk -d 2 -n "2:$(sgdisk -i 2 "$1" | sed -n 's/^First sector: \([0-9]*\).*/\1/p'):0" -t 2:8304 -c 2:root \
            -u "2:$(sgdisk -i 2 "$1" | sed -n 's/^Partition unique GUID: //p')" "$1"
}
# grown TOOL NAME OPTIONS COMMAND…: the tool's own work on the image gives the PCR 5 that was predicted.
grown() {
    tool=$1 name=$2 options=$3
    shift 3
    command -v "$tool" >/dev/null || { echo "$tool is not installed: not compared"; return; }
    for size in $((sectors + 4096)) $((sectors * 3 + 5)) 2097152; do
        cp --sparse=always demo.img tool.img
        truncate -s $((size * 512)) tool.img
        "$@" tool.img >tool.log 2>&1 || fail "$name: $(tail -n 2 tool.log)"
        # shellcheck disable=SC2086 # options
        predicted=$(pcr 5 demo.img --disk-size $((size * 512)) $options)
        [ "$predicted" = "$(pcr 5 tool.img)" ] || fail "$name, $size sectors: PCR 5 is not $predicted"
        [ "$predicted" != "$asis" ] || fail "$name, $size sectors: PCR 5 is as before"
    done
}
relocate() { sfdisk -q --relocate gpt-bak-std "$1"; }
whole() { echo ', +' | sfdisk -q -N 2 "$1"; }
grow_root() { growpart "$1" 2; }
grown sfdisk "sfdisk --relocate" "" relocate
grown sfdisk "sfdisk" "--grow-partition 2" whole
grown growpart "growpart" "--grow-partition root --grown-by growpart" grow_root
grown sgdisk "sgdisk -e" "--grown-by sgdisk" sgdisk -e
grown sgdisk "sgdisk" "--grow-partition root --grown-by sgdisk" again
grown systemd-repart "systemd-repart" "--grow-partition root --grown-by repart" repart

# The same by number, GUID and name; and without a larger disk repart finds room too.
text=$(measure demo.img --json | jq -r '.events."5"[] | select(.type == "EV_EFI_GPT_EVENT").text')
case $text in "disk of $sectors sectors, 2 partitions: esp 2048-"*", root "*) ;; *) fail "the table is described as $text" ;; esac
[ "$(pcr 5 demo.img --disk-size 1G --grow-partition root)" = "$(pcr 5 demo.img --disk-size 1024M --grow-partition 2)" ] || fail "by name and by number"
[ "$(pcr 5 demo.img --grow-partition root --grown-by repart)" != "$asis" ] || fail "repart grows the root on the image's own disk"
[ "$(pcr 5 demo.img --grow-partition root --grown-by growpart)" = "$asis" ] || fail "growpart does not, for less than 1 MiB"
# Nothing but PCR 5 moves.
measure demo.img --json >one.json
measure demo.img --disk-size 1G --json >two.json
moved=$(jq -rn --slurpfile a one.json --slurpfile b two.json '[$a[0].pcrs.sha256 | to_entries[] | select(.value != $b[0].pcrs.sha256[.key]) | .key] | join(" ")')
[ "$moved" = 5 ] || fail "a grown disk moves PCRs $moved"

# With what image build alone knows, the file for the grown disk is as complete as the one for the image.
expect "the volume key" 0 "" measure demo.img --built demo.ref.json --name demo --output again.json
jq -S 'del(.created, .host_inputs)' demo.ref.json >one.json
jq -S 'del(.created)' again.json >two.json
cmp -s one.json two.json || fail "--built: $(diff one.json two.json | head -n 5)"

# The firmware's own registers, as far as they follow from its image: what does not is told.
separator=$(printf '\000\000\000\000' | openssl dgst -sha256 -binary | { head -c 32 /dev/zero; cat; } | openssl dgst -sha256 | sed 's/.* //')
for firmware in /usr/share/OVMF/OVMF_CODE_4M.secboot.fd /usr/share/OVMF/OVMF_CODE_4M.fd /usr/share/edk2/ovmf/OVMF_CODE.fd; do
    [ -r "$firmware" ] || continue
    measure demo.img --firmware "$firmware" --json >firmware.json || fail "$firmware"
    for number in 2 3 6; do
        [ "$(jq -r --arg pcr $number '.pcrs.sha256[$pcr]' firmware.json)" = "$separator" ] || fail "$firmware: PCR $number"
    done
    jq -e '(.pcrs.sha256."0" != null) != (.not_predicted."0" != null) and .not_predicted."1" != null' firmware.json >/dev/null || fail "$firmware: PCRs 0 and 1"
    expect "it is told" 0 "PCR  1  not predicted: firmware" measure demo.img --firmware "$firmware"
    expect "wide addresses" 0 "PCR  0  not predicted: firmware" measure demo.img --firmware "$firmware" --address-bits 48
    expect "no memory" 2 "--memory 0" measure demo.img --firmware "$firmware" --memory 0
    if jq -e '.pcrs.sha256."0" != null' firmware.json >/dev/null; then
        [ "$(pcr 0 demo.img --firmware "$firmware" --memory 4G)" = "$(jq -r '.pcrs.sha256."0"' firmware.json)" ] || fail "$firmware: 4 GiB move PCR 0"
        [ "$(pcr 0 demo.img --firmware "$firmware" --memory 2500M)" != "$(jq -r '.pcrs.sha256."0"' firmware.json)" ] || fail "$firmware: 2500 MiB do not"
        [ "$(pcr 0 demo.img --firmware "$firmware" --vcpus 2)" != "$(jq -r '.pcrs.sha256."0"' firmware.json)" ] || fail "$firmware: a second processor does not move PCR 0"
        expect "little memory" 2 "a machine of 1 MiB" measure demo.img --firmware "$firmware" --memory 1M
        expect "no processor" 2 "0 vCPUs" measure demo.img --firmware "$firmware" --vcpus 0
    fi
done
expect "variables are not firmware" 3 "no OVMF?" measure demo.img --firmware vars.fd
expect "no firmware file" 3 "none" measure demo.img --firmware none
expect "memory of no firmware" 2 "--firmware" measure demo.img --memory 4G
expect "processors of no firmware" 2 "--vcpus is the firmware's" measure demo.img --vcpus 2
expect "address bits of no firmware" 2 "--address-bits is the firmware's" measure demo.img --address-bits 39
expect "a version of no firmware" 2 "--firmware-version is the firmware's" measure demo.img --firmware-version x
expect "too many processors" 2 "--vcpus 65536: at most" measure demo.img --firmware vars.fd --vcpus 65536
head -c "$(($(wc -c <demo.img) / 2))" demo.img >short.img
expect "an image cut short" 3 "partition 2 ends beyond the disk's end" measure short.img

# What is not taken.
printf 'text' >text
measure demo.img --output plain.json >/dev/null || fail "without the key"
expect "a smaller disk" 2 "--disk-size 1M: the image's disk is larger" measure demo.img --disk-size 1M
expect "odd size" 2 "--disk-size much: expected a size" measure demo.img --disk-size much
expect "size of nothing" 2 "--disk-size 0" measure demo.img --disk-size 0
expect "odd unit" 2 "--disk-size 4X" measure demo.img --disk-size 4X
expect "size out of range" 2 "--disk-size" measure demo.img --disk-size 99999999999999999999
expect "no room to grow" 0 "no room after it" measure demo.img --disk-size 1G --grow-partition 1
expect "no such partition" 2 'no partition has the number, GUID or name "data"' measure demo.img --grow-partition data
expect "no such number" 2 'no partition has the number, GUID or name "3"' measure demo.img --grow-partition 3
expect "no such tool" 2 "--grown-by parted: expected sfdisk" measure demo.img --disk-size 1G --grown-by parted
expect "growpart of nothing" 2 "--grow-partition" measure demo.img --disk-size 1G --grown-by growpart
expect "repart of nothing" 2 "--grow-partition" measure demo.img --disk-size 1G --grown-by repart
expect "a bank that it has not" 2 "not in bank sha384" measure demo.img --built demo.ref.json --bank sha384
expect "no reference" 3 "text" measure demo.img --built text
expect "one without the key" 3 "lists no measurement of a volume key" measure demo.img --built plain.json
exit "$failed"
