#!/bin/bash
# Every register predicted before the boot is the one measured, for Secure Boot on and off, an old and a new stub, an
# old and a new kernel, what may lie next to a UKI, and with shim before it.
#
#   registers.sh                 five boots, each with something else
#   registers.sh --all [PAGE]    every combination; writes docs/registers.md, or PAGE
# shellcheck source=tests/vm/vm.sh
. "$(dirname "$0")/vm.sh"
# shellcheck source=tests/vm/registers_lib.sh
. "$(dirname "$0")/registers_lib.sh"

pcrs=$(seq 0 9; seq 11 15)
firmware_pcrs='0 1 2 3 6'

# --- Images: one for each kernel and stub, with a root of a few files; companions are put in afterwards ---

# An add-on with a command line of its own, and a profile with another one.
registers_addon() {
    cloister uki build --addon --stub "$LAB_CACHE/kernel/addon.efi" --cmdline cloister.addon=1 \
        --key "$LAB/keys/db.key" --cert "$LAB/keys/db.crt" --output "$LAB/a.addon.efi" &&
        cloister uki build --stub "$LAB_CACHE/kernel/stub.efi" --profile 'ID=debug' --cmdline "$LAB_CMDLINE debug" \
            --output "$LAB/debug.efi"
}

# The image's UKI with two profiles: the first is started, and its .profile measured.
registers_profiles() {
    local image=$1 kernel=$2 stub=$3
    lab_take_uki "$image" "$LAB/plain.efi" &&
        objcopy -O binary --only-section=.initrd "$LAB/plain.efi" "$LAB/initrd" 2>"$LAB/objcopy.log" &&
        cloister uki build --kernel "$LAB_CACHE/$kernel/vmlinuz" --initrd "$LAB/initrd" --stub "$LAB_CACHE/$stub/stub.efi" \
            --os-release "$LAB/root/etc/os-release" --cmdline "$LAB_CMDLINE" --profile 'ID=main' \
            --join-profile "$LAB/debug.efi" --key "$LAB/keys/db.key" --cert "$LAB/keys/db.crt" --output "$LAB/profiles.efi" &&
        mcopy -o -i "$image@@$(lab_esp_offset "$image")" "$LAB/profiles.efi" ::/EFI/BOOT/BOOTX64.EFI
}

# --- Shim: it takes BOOTX64.EFI's place, and the UKI goes where shim looks for a second stage ---

registers_shim() {
    local at=$1@@$2 shim=$3 key=$4
    mcopy -n -o -i "$at" ::/EFI/BOOT/BOOTX64.EFI "$LAB/second.efi" &&
        cloister uki sign "$LAB/second.efi" --key "$key/db.key" --cert "$key/db.crt" 2>"$LAB/sign.log" &&
        mcopy -o -i "$at" "$LAB/second.efi" ::/EFI/BOOT/grubx64.efi &&
        mcopy -o -i "$at" "$shim" ::/EFI/BOOT/BOOTX64.EFI
}

registers_sign_shim() {
    cloister uki sign "$LAB_CACHE/shim/$1" --key "$LAB/keys/db.key" --cert "$LAB/keys/db.crt" --output "$LAB/$2" 2>"$LAB/sign.log"
}

# The stores: shim's owner added a key; and Microsoft's keys with such a key.
registers_stores() {
    cloister secureboot keygen --output "$LAB/mok" --name 'Machine owner' >"$LAB/keygen.log" &&
        registers_sign_shim unsigned.efi shim.efi &&
        { [ ! -e "$LAB_CACHE/shim/old.efi" ] || registers_sign_shim old.efi old-shim.efi; } &&
        cloister secureboot mok --input "$LAB/on.fd" --output "$LAB/mok.fd" --key "$LAB/mok/db.crt" &&
        cloister secureboot mok --input /usr/share/OVMF/OVMF_VARS_4M.ms.fd --output "$LAB/ms.fd" --key "$LAB/mok/db.crt"
}

# Which variable store a boot with this next to the UKI needs, if Secure Boot is in this state.
registers_store() {
    case $2 in
    'shim, MokList') echo mok ;;
    'Microsoft'*) echo ms ;;
    *) echo "$1" ;;
    esac
}

registers_companions() {
    local at
    at=$1@@$(lab_esp_offset "$1")
    case $2 in
    plain) ;;
    shim) registers_shim "$1" "$(lab_esp_offset "$1")" "$LAB/shim.efi" "$LAB/keys" ;;
    'old shim') registers_shim "$1" "$(lab_esp_offset "$1")" "$LAB/old-shim.efi" "$LAB/keys" ;;
    'shim, MokList') registers_shim "$1" "$(lab_esp_offset "$1")" "$LAB/shim.efi" "$LAB/mok" ;;
    'Microsoft'*) registers_shim "$1" "$(lab_esp_offset "$1")" "$LAB_CACHE/shim/signed.efi" "$LAB/mok" ;;
    'shim, add-on')
        registers_shim "$1" "$(lab_esp_offset "$1")" "$LAB/shim.efi" "$LAB/keys" && mmd -i "$at" ::/EFI/BOOT/grubx64.efi.extra.d &&
            mcopy -i "$at" "$LAB/a.addon.efi" ::/EFI/BOOT/grubx64.efi.extra.d/a.addon.efi
        ;;
    profiles) registers_profiles "$1" "$3" "$4" ;;
    add-on)
        mmd -i "$at" ::/EFI/BOOT/BOOTX64.EFI.extra.d &&
            mcopy -i "$at" "$LAB/a.addon.efi" ::/EFI/BOOT/BOOTX64.EFI.extra.d/a.addon.efi
        ;;
    credential)
        printf secret >"$LAB/b.cred"
        printf other >"$LAB/A-global.cred"
        head -c 5001 /dev/zero >"$LAB/tools.sysext.raw"
        mmd -i "$at" ::/EFI/BOOT/BOOTX64.EFI.extra.d ::/loader ::/loader/credentials &&
            mcopy -i "$at" "$LAB/b.cred" "$LAB/tools.sysext.raw" ::/EFI/BOOT/BOOTX64.EFI.extra.d/ &&
            mcopy -i "$at" "$LAB/A-global.cred" ::/loader/credentials/
        ;;
    esac
}

# --- One boot ---

# registers_compare NAME IMAGE STATE: the PCRs that are not as predicted; sets `given` to those taken from a log.
registers_compare() {
    local name=$1 image=$2 state=$3 pcr expected wrong=''
    cloister measure image "$image" --varstore "$LAB/$state.fd" --json >"$LAB/$name.ref.json" || return
    for pcr in $pcrs; do
        expected=$(registers_predicted "$LAB/$name.ref.json" "$pcr")
        # The volume key is measured later: PCR 15 is still what a reset makes it.
        [ "$pcr" != 15 ] || expected=$(printf '%064d' 0)
        case " $firmware_pcrs " in *" $pcr "*) expected=$(registers_predicted "$LAB/calibration-$state.firmware.json" "$pcr") ;; esac
        [ "$expected" = "$(registers_measured "$name" "$pcr")" ] || wrong="$wrong $pcr"
    done
    echo "${wrong# }"
    [ -z "$wrong" ]
}

# --- The matrix ---

shim_release() { strings -n 8 "$LAB_CACHE/shim/$1.efi" | sed -n 's/^.Version: \([0-9.]*\) .*/\1/p' | head -n 1; }

registers_case() {
    local state=$1 stub=$2 kernel=$3 companion=$4 name image store wrong='' status=0 result='all as expected'
    name=$state-$stub-$kernel-${companion//[^a-zA-Z-]/-}
    store=$(registers_store "$state" "$companion")
    image=$LAB/$name.img
    registers_image "$kernel" "$stub" || return
    cp --sparse=always "$LAB/$kernel-$stub.img" "$image"
    registers_companions "$image" "$companion" "$kernel" "$stub" || return
    registers_boot "$name" "$image" "$store" && wrong=$(registers_compare "$name" "$image" "$store") || status=$?
    rm -f "$image"
    [ "$status" = 0 ] || result="differ: ${wrong:-no boot}"
    rows+=("$state|$stub|$kernel|$companion|$result")
    [ -z "$wrong" ] || echo "PCRs $wrong differ"
    return "$status"
}

registers_page() {
    local row state stub kernel companion result older=''
    [ ! -e "$LAB_CACHE/shim/old.efi" ] || older=$(shim_release old)
    cat <<PAGE
# Registers predicted, and measured

Made by \`tests/vm/registers.sh --all\`: each line is one boot under QEMU with OVMF and swtpm. Before it, \`cloister measure
image\` predicted the registers from the disk and the variable store alone; after it, the guest told what its TPM holds
(SHA-256 bank, phase \`$phase\`).

PCRs 4, 5, 7, 8, 9, 11, 12, 13 and 14 are predicted. PCRs 0, 1, 2, 3 and 6 are the firmware's own and are taken from the log of
another boot of the same machine type with the same variables. PCR 15 is zero until the volume key is measured. PCR 10 is the
kernel's IMA log. A disk that was grown afterwards has another PCR 5: [registers_disk](registers_disk.md).

With shim ($(shim_release unsigned)${older:+, and $older as the old one}) firmware starts shim, and shim the UKI: by its key in db, or in the owner's MokList; shim signed by the owner's key in db, or
by Microsoft.

Stubs: systemd $(release_of old) and $(release_of kernel). Kernels: $(ls "$LAB_CACHE/old/lib/modules") and $(ls "$LAB_CACHE/kernel/lib/modules").

| Secure Boot | stub | kernel | next to the UKI | PCRs 0 to 9, 11 to 15 |
| --- | --- | --- | --- | --- |
PAGE
    for row in "${rows[@]}"; do
        IFS='|' read -r state stub kernel companion result <<<"$row"
        echo "| $state | $(release_of "$stub") | $(ls "$LAB_CACHE/$kernel/lib/modules") | $companion | $result |"
    done
}

why=$(lab_fetch_old_kernel 2>&1) || { echo "SKIP: $why"; exit 77; }
why=$(lab_fetch_shim 2>&1) || { echo "SKIP: $why"; exit 77; }
if [ ! -e "$LAB_CACHE/old/stub.efi" ] || [ ! -e "$LAB_CACHE/kernel/addon.efi" ]; then
    echo "SKIP: no second stub here"
    exit 77
fi

lab_begin build/lab/test-registers
rows=()
registers_begin
registers_addon
registers_stores

# What the firmware measures of itself: from a boot of another image than those that are compared.
registers_image kernel kernel
for state in on off; do
    vm_check "calibration, Secure Boot $state" registers_boot "calibration-$state" "$LAB/kernel-kernel.img" "$state"
done
# A key in MokList is nothing to firmware.
cp "$LAB/calibration-on.firmware.json" "$LAB/calibration-mok.firmware.json"

if [ "${1:-}" = --all ]; then
    for state in on off; do
        for stub in old kernel; do
            for kernel in old kernel; do
                for companion in plain add-on profiles credential; do
                    vm_check "$state $stub $kernel $companion" registers_case "$state" "$stub" "$kernel" "$companion"
                done
            done
        done
    done
    # Microsoft's keys start nothing but a shim: that of another image.
    registers_image old old
    cp --sparse=always "$LAB/old-old.img" "$LAB/calibration.img"
    registers_companions "$LAB/calibration.img" Microsoft old old
    vm_check "calibration, Microsoft's keys" registers_boot calibration-ms "$LAB/calibration.img" ms
    for state in on off; do
        for stub in old kernel; do
            for kernel in old kernel; do
                vm_check "$state $stub $kernel shim" registers_case "$state" "$stub" "$kernel" shim
            done
        done
        vm_check "$state kernel kernel shim, add-on" registers_case "$state" kernel kernel 'shim, add-on'
        [ ! -e "$LAB/old-shim.efi" ] || vm_check "$state kernel kernel old shim" registers_case "$state" kernel kernel 'old shim'
    done
    for companion in 'shim, MokList' 'Microsoft-signed shim, MokList'; do
        for stub in old kernel; do
            vm_check "on $stub kernel $companion" registers_case on "$stub" kernel "$companion"
        done
    done
    registers_page >"${2:-docs/registers.md}"
else
    vm_check "old stub and kernel, credentials and a system extension" registers_case on old old credential
    ! vm_more "new stub, old kernel, Secure Boot off" ||
        vm_check "new stub, old kernel, Secure Boot off" registers_case off kernel old plain
    vm_check "new stub and kernel, an add-on" registers_case on kernel kernel add-on
    vm_check "the same, two profiles, Secure Boot off" registers_case off kernel kernel profiles
    vm_check "shim, which starts a UKI of its owner's" registers_case on kernel kernel 'shim, MokList'
    vm_check "shim, old stub and kernel, Secure Boot off" registers_case off old old shim
fi
vm_end
