#!/bin/bash
# PCR 5 of a disk as it will be: booted from a larger disk as it is, and after each tool has grown it, it is the one that
# was predicted from the image alone; and a log of the grown disk is explained.
#
#   registers_disk.sh            as it is, and one tool
#   registers_disk.sh --all [PAGE]    every tool; writes docs/registers_disk.md, or PAGE
# shellcheck source=tests/vm/vm.sh
. "$(dirname "$0")/vm.sh"
# shellcheck source=tests/vm/registers_lib.sh
. "$(dirname "$0")/registers_lib.sh"
PATH=$PATH:/usr/sbin:/sbin

image_root() { sgdisk -i 2 "$1" | sed -n "s/^$2: \\([^ ]*\\).*/\\1/p"; }

# grow TOOL IMAGE: what the guest would do, by the tool itself.
grow() {
    case $1 in
    nobody) ;;
    relocate) sfdisk -q --relocate gpt-bak-std "$2" ;;
    sfdisk) echo ', +' | sfdisk -q -N 2 "$2" ;;
    growpart) growpart "$2" 2 ;;
    sgdisk)
        sgdisk -e "$2" && sgdisk -d 2 -n "2:$(image_root "$2" 'First sector'):0" -t 2:8304 -c 2:root \
            -u "2:$(image_root "$2" 'Partition unique GUID')" "$2"
        ;;
    repart)
        mkdir -p "$LAB/repart.d"
        printf '[Partition]\nType=esp\n' >"$LAB/repart.d/10-esp.conf"
        printf '[Partition]\nType=root-x86-64\n' >"$LAB/repart.d/20-root.conf"
        systemd-repart --definitions="$LAB/repart.d" --dry-run=no --no-pager "$2"
        ;;
    esac
}

options_of() {
    case $1 in
    nobody) ;;
    relocate) echo "--disk-size $size" ;;
    *) echo "--disk-size $size --grow-partition root --grown-by $1" ;;
    esac
}

command_of() {
    case $1 in
    nobody) ;;
    relocate) echo 'sfdisk --relocate gpt-bak-std' ;;
    sfdisk) echo 'sfdisk -N 2, with ", +"' ;;
    growpart) echo 'growpart DISK 2' ;;
    sgdisk) echo 'sgdisk -e; -d 2 -n 2:START:0' ;;
    repart) echo 'systemd-repart' ;;
    esac
}

disk_case() {
    local who=$1 disk=$LAB/$1.img expected measured options
    options=$(options_of "$who")
    cp --sparse=always "$image" "$disk" && truncate -s "$size" "$disk" || return
    grow "$who" "$disk" >"$LAB/$who.grow" 2>&1 || { tail -n 1 "$LAB/$who.grow"; return 1; }
    # shellcheck disable=SC2086 # options
    cloister measure image "$image" --varstore "$LAB/on.fd" $options --output "$LAB/$who.ref.json" >/dev/null || return
    registers_boot "$who" "$disk" on || return
    rm -f "$disk"
    expected=$(registers_predicted "$LAB/$who.ref.json" 5)
    measured=$(registers_measured "$who" 5)
    [ "$expected" = "$measured" ] || echo "PCR 5 is $measured, expected $expected"
    rows+=("$who|${options:-nothing}|$([ "$expected" = "$measured" ] && echo 'as predicted' || echo differs)|${measured:0:16}…")
    [ "$expected" = "$measured" ]
}

# The log of a grown disk, held against the prediction for the image as it is.
disk_explained() {
    jq -r 'select(.kind == "eventlog").data' "$LAB/$1.jsonl" | base64 -d >"$LAB/$1.eventlog"
    ! cloister eventlog explain "$LAB/$1.eventlog" --reference "$LAB/nobody.ref.json" >"$LAB/$1.explained" &&
        grep '^PCR 5: partition table is "disk of [0-9]* sectors, 2 partitions: esp .*", expected "disk of .*the disk was grown from [0-9]* to [0-9]* bytes' \
            "$LAB/$1.explained" >"$LAB/explained" &&
        cloister eventlog explain "$LAB/$1.eventlog" --reference "$LAB/$1.ref.json" >"$LAB/$1.explained"
}

disk_page() {
    local row who options result value
    cat <<PAGE
# A grown disk: PCR 5 predicted, and measured

Made by \`tests/vm/registers_disk.sh --all\`: an image of $(stat -c %s "$image") bytes is copied to a disk of $size (1 GiB), its table is adapted by the
tool itself, and it is booted under QEMU with OVMF and swtpm, Secure Boot on. \`cloister measure image\` predicted PCR 5 (SHA-256) from the image
of before, with the options next to it. ($(sfdisk --version | sed 's/.*from //'), $(sgdisk --version | sed 's/.*sgdisk) version /GPT fdisk /'), $(systemd-repart --version | head -n 1), cloud-utils $(dpkg-query -W -f '${Version}' cloud-guest-utils 2>/dev/null).)

| who adapted the table | predicted with | PCR 5 | measured |
| --- | --- | --- | --- |
PAGE
    for row in "${rows[@]}"; do
        IFS='|' read -r who options result value <<<"$row"
        who=$(command_of "$who")
        echo "| ${who:-nobody: the first boot} | ${options//$size/1G} | $result | $value |"
    done
    echo
    echo "A log of the grown disk, explained with the reference values for the image as it is:"
    echo
    echo '```'
    cat "$LAB/explained"
    echo '```'
}

for tool in sfdisk growpart sgdisk systemd-repart; do
    command -v "$tool" >/dev/null || { echo "SKIP: $tool is not installed"; exit 77; }
done

lab_begin build/lab/test-registers-disk
rows=()
size=$((1 << 30))
registers_begin
registers_image kernel kernel
image=$LAB/kernel-kernel.img
vm_check "a larger disk, the table as it is" disk_case nobody
if [ "${1:-}" = --all ]; then
    for who in relocate sfdisk growpart sgdisk repart; do
        vm_check "a larger disk, $who" disk_case "$who"
    done
else
    vm_check "a larger disk, repart" disk_case repart
fi
vm_check "a log of the grown disk is explained" disk_explained repart
[ "${1:-}" != --all ] || disk_page >"${2:-docs/registers_disk.md}"
vm_end
