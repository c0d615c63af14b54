#!/bin/bash
# The firmware's own registers, predicted from its image, the variable store and the machine, are the ones measured.
#
#   registers_firmware.sh             two boots
#   registers_firmware.sh --all [PAGE]     each of Debian 12's images, machines of other shapes; writes docs/registers_firmware.md, or PAGE
# shellcheck source=tests/vm/vm.sh
. "$(dirname "$0")/vm.sh"
# shellcheck source=tests/vm/registers_lib.sh
. "$(dirname "$0")/registers_lib.sh"

ovmf=/usr/share/OVMF

# firmware_case CODE STORE MEMORY (in MiB): a fresh store lacks boot entries, and PCR 1 with them.
firmware_case() {
    local code=$1 store=$2 memory=$3 name pcr expected measured result reason
    name=$code-$store-$memory
    cloister measure image "$image" --varstore "$LAB/$store.fd" --firmware "$ovmf/$code" --memory "${memory}M" \
        --output "$LAB/$name.ref.json" >/dev/null || return
    registers_boot "$name" "$image" "$store" --firmware "$ovmf/$code" --memory "$memory" || return
    cp "$LAB/vars.fd" "$LAB/after-$name.fd"
    result=
    for pcr in 0 1 2 3 6; do
        expected=$(registers_predicted "$LAB/$name.ref.json" "$pcr")
        measured=$(registers_measured "$name" "$pcr")
        if [ "$expected" = null ]; then
            reason=$(jq -r --arg pcr "$pcr" '.not_predicted[$pcr] // ""' "$LAB/$name.ref.json")
            [ -n "$reason" ] || { echo "PCR $pcr: neither predicted nor told why"; result=differs; break; }
            result="$result|from a log"
        elif [ "$expected" = "$measured" ]; then
            result="$result|as predicted"
        else
            echo "PCR $pcr is $measured, expected $expected"
            result=differs
            break
        fi
    done
    rows+=("$code|$store|$memory|$result")
    [ "$result" != differs ]
}

# A variable store that asks for more memory of a type than the firmware's own table: it moves PCR 0 of builds with SMM.
firmware_history() {
    cp "$LAB/after-OVMF_CODE_4M.secboot.fd-on-512.fd" "$LAB/used.fd"
    jq -r '.pcrs.sha256."0"' "$LAB/OVMF_CODE_4M.secboot.fd-on-512.ref.json" >"$LAB/fresh.0"
    python3 - "$LAB/used.fd" "$LAB/history.fd" <<'PY'
import struct, sys, uuid
store = bytearray(open(sys.argv[1], "rb").read())
name = "MemoryTypeInformation\0".encode("utf-16-le")
guid = uuid.UUID("4c19049f-4137-4dd3-9c10-8b97a83ffdfa").bytes_le
at = store.find(guid + name)
found = 0
while at >= 0:
    data = at + 16 + len(name)
    (size,) = struct.unpack_from("<I", store, at - 4)
    for record in range(data, data + size, 8):
        kind, pages = struct.unpack_from("<II", store, record)
        if kind == 6:
            struct.pack_into("<I", store, record + 4, 0x345)
            found += 1
    at = store.find(guid + name, at + 1)
open(sys.argv[2], "wb").write(store)
sys.exit(found == 0)
PY
    firmware_case OVMF_CODE_4M.secboot.fd history 512 &&
        [ "$(jq -r '.pcrs.sha256."0"' "$LAB/OVMF_CODE_4M.secboot.fd-history-512.ref.json")" != "$(cat "$LAB/fresh.0")" ]
}

firmware_page() {
    local row code store memory zero one two three six
    cat <<PAGE
# The firmware's own registers: predicted, and measured

Made by \`tests/vm/registers_firmware.sh --all\`: each line is one boot under QEMU (q35, one processor, no option ROMs) with swtpm and an image of
Debian's package ovmf $(dpkg-query -W -f '${Version}' ovmf). Before it, \`cloister measure image --firmware\` predicted the registers from that image, the variable
store and the memory's size; after it, the guest told what its TPM holds (SHA-256 bank).

Variable stores: \`off\` and \`off2\` as Debian ships them, for the images of 4 MiB and of 2 MiB; \`on\` with Secure Boot keys enrolled offline; \`used\` the same after
the first boot, with the boot entries that firmware wrote; \`used-off\` after one of a build without SMM, which cannot write its variables on this machine;
\`history\` as \`used\`, and asking for more memory of a type, as firmware notes it for the next boot.

| firmware | variable store | memory in MiB | PCR 0 | PCR 1 | PCR 2 | PCR 3 | PCR 6 |
| --- | --- | --- | --- | --- | --- | --- | --- |
PAGE
    for row in "${rows[@]}"; do
        IFS='|' read -r code store memory _ zero one two three six <<<"$row"
        echo "| $code | $store | $memory | $zero | $one | $two | $three | $six |"
    done
}

lab_begin build/lab/test-registers-firmware
rows=()
registers_begin
registers_image kernel kernel
image=$LAB/kernel-kernel.img
vm_check "4M with SMM, a fresh store" firmware_case OVMF_CODE_4M.secboot.fd on 512
cp "$LAB/after-OVMF_CODE_4M.secboot.fd-on-512.fd" "$LAB/used.fd"
if [ "${1:-}" = --all ]; then
    vm_check "the same, a used store" firmware_case OVMF_CODE_4M.secboot.fd used 512
    vm_check "the same, a store that asks for memory" firmware_history
    vm_check "more memory" firmware_case OVMF_CODE_4M.secboot.fd used 9000
    vm_check "4M without SMM" firmware_case OVMF_CODE_4M.fd off 512
    cp "$LAB/after-OVMF_CODE_4M.fd-off-512.fd" "$LAB/used-off.fd"
    vm_check "the same, a used store and all memory below 4 GiB" firmware_case OVMF_CODE_4M.fd used-off 2500
    vm_check "the same, 2 GiB below" firmware_case OVMF_CODE_4M.fd used-off 3072
    if [ -e "$ovmf/OVMF_CODE.fd" ]; then
        cp "$ovmf/OVMF_VARS.fd" "$LAB/off2.fd"
        vm_check "2M without SMM" firmware_case OVMF_CODE.fd off2 512
        vm_check "2M with SMM" firmware_case OVMF_CODE.secboot.fd off2 512
    fi
    firmware_page >"${2:-docs/registers_firmware.md}"
else
    vm_check "the same, a store that asks for memory" firmware_history
fi
vm_end
