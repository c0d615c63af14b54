#!/bin/bash
# Boot loaders between firmware and kernel: each register that is predicted from the image is the one that is measured.
#
#   registers_loaders.sh               a boot of each kind
#   registers_loaders.sh --all [PAGE]  each release that was seen; writes docs/registers_loaders.md, or PAGE
# shellcheck source=tests/vm/vm.sh
. "$(dirname "$0")/vm.sh"
# shellcheck source=tests/vm/registers_lib.sh
. "$(dirname "$0")/registers_lib.sh"
PATH=$PATH:/usr/sbin:/sbin

# fetch_loaders SUITE: systemd-boot and Debian's signed GRUB of that release, below the cache.
fetch_loaders() {
    local suite=$1 out=$LAB_CACHE/loader-$1 state mirror keyring status=0
    [ ! -e "$out/complete" ] || return 0
    read -r mirror keyring < <(lab_mirror "$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)") || return
    state=$(lab_apt_state "$suite" "$mirror" "$keyring" 2>"$LAB_CACHE/apt.log") || return
    mkdir -p "$out"
    { lab_unpack "$state" systemd-boot-efi grub-efi-amd64-signed 2>"$LAB_CACHE/apt.log" &&
        cp "$state/tree/usr/lib/systemd/boot/efi/systemd-bootx64.efi" "$out/systemd-boot.efi" &&
        cp "$state/tree/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed" "$out/grub.efi" && touch "$out/complete"; } || status=$?
    rm -rf "${state:?}"
    return "$status"
}

section() { objcopy -O binary --only-section="$1" "$LAB/uki.efi" "$2"; }

# What the kernel of the UKI is, apart from it.
take_apart() {
    mcopy -o -i "$LAB/kernel-kernel.img@@$offset" ::/EFI/BOOT/BOOTX64.EFI "$LAB/uki.efi"
    section .initrd "$LAB/initrd"
    section .cmdline "$LAB/cmdline"
    cmdline=$(tr -d '\0' <"$LAB/cmdline")
    cloister uki sign "$LAB_CACHE/kernel/vmlinuz" --key "$LAB/keys/db.key" --cert "$LAB/keys/db.crt" --output "$LAB/linux.efi"
    cloister uki sign "$LAB_CACHE/shim/unsigned.efi" --key "$LAB/keys/db.key" --cert "$LAB/keys/db.crt" --output "$LAB/shim.efi" 2>/dev/null
}

# put IMAGE FILE PATH, with the folders above it.
put() {
    local folder=
    local IFS=/
    for word in ${3%/*}; do
        [ -z "$word" ] || { folder=$folder/$word; mmd -D s -i "$1@@$offset" "::$folder" >/dev/null 2>&1 || true; }
    done
    mcopy -o -i "$1@@$offset" "$2" "::$3"
}

loader_image() {
    local kind=$1 suite=$2 image=$3 loader=$LAB_CACHE/loader-$2
    cp --sparse=always "$LAB/kernel-kernel.img" "$image"
    if [ "$kind" = grub ]; then
        printf 'set timeout=0\nlinux /demo/linux %s\necho Loading\ninitrd /demo/initrd\nboot\n' "$cmdline" >"$LAB/grub.cfg"
        put "$image" "$LAB/shim.efi" /EFI/BOOT/BOOTX64.EFI && put "$image" "$loader/grub.efi" /EFI/BOOT/grubx64.efi &&
            put "$image" "$LAB/grub.cfg" /EFI/debian/grub.cfg && put "$image" "$LAB_CACHE/kernel/vmlinuz" /demo/linux &&
            put "$image" "$LAB/initrd" /demo/initrd
        return
    fi
    cloister uki sign "$loader/systemd-boot.efi" --key "$LAB/keys/db.key" --cert "$LAB/keys/db.crt" --output "$LAB/loader.efi" 2>/dev/null &&
        put "$image" "$LAB/loader.efi" /EFI/BOOT/BOOTX64.EFI || return
    printf 'timeout 0\n' >"$LAB/loader.conf"
    put "$image" "$LAB/loader.conf" /loader/loader.conf || return
    if [ "$kind" = entry ]; then
        printf 'title Demo\nlinux /demo/linux\ninitrd /demo/initrd\noptions %s\n' "$cmdline" >"$LAB/entry.conf"
        put "$image" "$LAB/entry.conf" /loader/entries/demo.conf && put "$image" "$LAB/linux.efi" /demo/linux && put "$image" "$LAB/initrd" /demo/initrd
    else
        put "$image" "$LAB/uki.efi" /EFI/Linux/demo.efi
    fi
}

# PCR 11 of a boot without systemd's stub is not predicted; nothing else may be missing.
loader_compare() {
    local name=$1 kind=$2 pcr expected wrong='' pcrs='4 5 7 8 9 12 13 14'
    [ "$kind" != uki ] || pcrs="$pcrs 11"
    for pcr in $pcrs; do
        expected=$(registers_predicted "$LAB/$name.ref.json" "$pcr")
        [ "$expected" = "$(registers_measured "$name" "$pcr")" ] || wrong="$wrong $pcr"
    done
    [ "$kind" = uki ] || jq -e '.not_predicted["11"]' "$LAB/$name.ref.json" >/dev/null || wrong="$wrong (11 is predicted)"
    result="as predicted: $pcrs"
    [ -z "$wrong" ] || { result="differ:$wrong"; echo "$result"; return 1; }
}

loader_case() {
    local kind=$1 suite=$2 state=$3 name=$1-$2-$3 image=$LAB/$1-$2-$3.img status=0
    result='no boot'
    { loader_image "$kind" "$suite" "$image" &&
        cloister measure image "$image" --varstore "$LAB/$state.fd" --output "$LAB/$name.ref.json" >/dev/null &&
        registers_boot "$name" "$image" "$state" --timeout 900 && loader_compare "$name" "$kind"; } || status=$?
    rows+=("$kind|$(jq -r '.loader.version' "$LAB/$name.ref.json")|$state|$result")
    rm -f "$image"
    return "$status"
}

loader_page() {
    local row kind loader state result
    cat <<PAGE
# Boot loaders

Made by \`tests/vm/registers_loaders.sh --all\`: images whose ESP starts a boot loader, booted under QEMU with OVMF and swtpm, their registers (SHA-256)
predicted by \`cloister measure image\` beforehand. The kernel is $(ls "$LAB_CACHE/kernel/lib/modules"). GRUB is Debian's signed one, started by shim.

| what is started | by | Secure Boot | PCRs |
| --- | --- | --- | --- |
PAGE
    for row in "${rows[@]}"; do
        IFS='|' read -r kind loader state result <<<"$row"
        case $kind in uki) kind='EFI/Linux/demo.efi' ;; entry) kind='loader/entries/demo.conf' ;; grub) kind='grub.cfg: set, linux, echo, initrd, boot' ;; esac
        echo "| $kind | $loader | $state | $result |"
    done
}

for tool in objcopy mmd; do
    command -v "$tool" >/dev/null || { echo "SKIP: $tool is not installed"; exit 77; }
done
lab_fetch_shim || { echo "SKIP: no shim could be fetched"; exit 77; }
suites=trixie
[ "${1:-}" != --all ] || suites='bookworm trixie forky'
for suite in bookworm $suites; do
    fetch_loaders "$suite" || { echo "SKIP: no boot loaders of $suite: $(tail -n 1 "$LAB_CACHE/apt.log")"; exit 77; }
done

lab_begin build/lab/test-registers-loaders
rows=()
result=''
registers_begin
registers_image kernel kernel
offset=$(lab_esp_offset "$LAB/kernel-kernel.img")
take_apart
for suite in $suites; do
    vm_check "systemd-boot of $suite, a UKI" loader_case uki "$suite" on
    vm_check "systemd-boot of $suite, an entry" loader_case entry "$suite" on
done
vm_check "systemd-boot of bookworm, a UKI, Secure Boot off" loader_case uki bookworm off
vm_check "GRUB of bookworm" loader_case grub bookworm on
vm_check "GRUB of trixie" loader_case grub trixie on
[ "${1:-}" != --all ] || loader_page >"${2:-docs/registers_loaders.md}"
vm_end
