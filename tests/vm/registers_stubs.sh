#!/bin/bash
# Stubs of other systemd releases than this one's and the next: every register predicted, or told why not.
#
#   registers_stubs.sh            one boot of each stub that the mirror has
#   registers_stubs.sh --all [PAGE]     Secure Boot on and off, with and without an add-on; writes docs/registers_stubs.md, or PAGE
# shellcheck source=tests/vm/vm.sh
. "$(dirname "$0")/vm.sh"
# shellcheck source=tests/vm/registers_lib.sh
. "$(dirname "$0")/registers_lib.sh"

# fetch_stub SUITE: its stub alone, below the cache.
fetch_stub() {
    local suite=$1 out=$LAB_CACHE/stub-$1 state mirror keyring
    [ ! -e "$out/stub.efi" ] || return 0
    state=$(mktemp -d)
    mkdir -p "$state/state" "$state/lists/partial" "$state/cache/archives/partial"
    : >"$state/status"
    read -r mirror keyring < <(lab_mirror "$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)") &&
        echo "deb [signed-by=$keyring arch=amd64] $mirror $suite main" >"$state/sources" &&
        lab_apt "$state" update && (cd "$state" && lab_apt "$state" download systemd-boot-efi) &&
        dpkg -x "$state"/systemd-boot-efi_*.deb "$state/tree" && mkdir -p "$out" &&
        cp "$state/tree/usr/lib/systemd/boot/efi/addonx64.efi.stub" "$out/addon.efi" &&
        cp "$state/tree/usr/lib/systemd/boot/efi/linuxx64.efi.stub" "$out/stub.efi"
    rm -rf "$state"
    [ -e "$out/stub.efi" ]
}

# Of a register that is not predicted, the file says why; the firmware's own are taken from another boot of this stub.
stub_compare() {
    local name=$1 state=$2 stub=$3 pcr expected wrong='' untold=''
    for pcr in $(seq 0 9; seq 11 15); do
        expected=$(registers_predicted "$LAB/$name.ref.json" "$pcr")
        [ "$pcr" != 15 ] || expected=$(printf '%064d' 0)
        case $pcr in 0 | 1 | 2 | 3 | 6) expected=$(registers_predicted "$LAB/calibration-$state-$stub.firmware.json" "$pcr") ;; esac
        if [ "$expected" = null ] && jq -e --arg pcr "$pcr" '.not_predicted[$pcr]' "$LAB/$name.ref.json" >/dev/null; then
            untold="$untold $pcr"
        elif [ "$expected" != "$(registers_measured "$name" "$pcr")" ]; then
            wrong="$wrong $pcr"
        fi
    done
    result="all as expected${untold:+, not predicted:$untold}"
    [ -z "$wrong" ] || { result="differ:$wrong"; echo "$result"; return 1; }
}

stub_case() {
    local state=$1 stub=$2 companion=$3 name=$1-$2-$3 image=$LAB/$1-$2-$3.img at status=0
    registers_image kernel "$stub" && cp --sparse=always "$LAB/kernel-$stub.img" "$image" || return
    if [ "$companion" = add-on ]; then
        at=$image@@$(lab_esp_offset "$image")
        mmd -i "$at" ::/EFI/BOOT/BOOTX64.EFI.extra.d && mcopy -i "$at" "$LAB/a.addon.efi" ::/EFI/BOOT/BOOTX64.EFI.extra.d/ || return
    fi
    result='no boot'
    { cloister measure image "$image" --varstore "$LAB/$state.fd" --output "$LAB/$name.ref.json" >/dev/null &&
        registers_boot "$name" "$image" "$state" && stub_compare "$name" "$state" "$stub"; } || status=$?
    rm -f "$image"
    rows+=("$state|$stub|$companion|$result")
    return "$status"
}

stub_page() {
    local row state stub companion result
    cat <<PAGE
# Stubs of other systemd releases

Made by \`tests/vm/registers_stubs.sh --all\`: as in [registers](registers.md), with the stubs that Debian's mirror has next to its own releases'. The kernel is
$(ls "$LAB_CACHE/kernel/lib/modules"). PCRs 0 to 3 and 6 are taken from the log of another boot with the same stub.

| Secure Boot | stub | next to the UKI | PCRs 0 to 9, 11 to 15 |
| --- | --- | --- | --- |
PAGE
    for row in "${rows[@]}"; do
        IFS='|' read -r state stub companion result <<<"$row"
        echo "| $state | $(release_of "$stub") | $companion | $result |"
    done
    cat <<PAGE

From 261 on the stub measures SMBIOS tables into PCR 1. From 262 on it puts a secret that it keeps for each machine into the initrd, so the initrd's digest in
PCR 9 is another on each machine, and nobody can predict it from an image.
PAGE
}

stubs=''
mkdir -p "$LAB_CACHE"
for suite in bookworm-backports forky; do
    if fetch_stub "$suite" 2>"$LAB_CACHE/stub.log"; then stubs="$stubs stub-$suite"; else echo "no stub of $suite: $(tail -n 1 "$LAB_CACHE/stub.log")"; fi
done
[ -n "$stubs" ] || { echo "SKIP: no other stub could be fetched"; exit 77; }

lab_begin build/lab/test-registers-stubs
rows=()
result=''
registers_begin
cloister uki build --addon --stub "$LAB_CACHE/kernel/addon.efi" --cmdline cloister.addon=1 \
    --key "$LAB/keys/db.key" --cert "$LAB/keys/db.crt" --output "$LAB/a.addon.efi"
states=on companions=add-on
[ "${1:-}" != --all ] || { states='on off' companions='plain add-on'; }
for stub in $stubs; do
    registers_image kernel "$stub"
    for state in $states; do
        vm_check "calibration, $stub, Secure Boot $state" registers_boot "calibration-$state-$stub" "$LAB/kernel-$stub.img" "$state"
        for companion in $companions; do
            vm_check "$state $stub $companion" stub_case "$state" "$stub" "$companion"
        done
    done
done
[ "${1:-}" != --all ] || stub_page >"${2:-docs/registers_stubs.md}"
vm_end
