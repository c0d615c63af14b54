#!/bin/bash
# Keys sealed before the first boot, without the TPM, for registers that were only predicted: one image that asks nobody, by a token
# that systemd reads as well, and one that needs the TPM's share and the broker's.
# shellcheck source=tests/vm/vm.sh
. "$(dirname "$0")/vm.sh"
for tool in tpm2_createprimary tpm2_evictcontrol tpm2_readpublic; do
    command -v "$tool" >/dev/null || { echo "SKIP: $tool is missing"; exit 77; }
done

LAB_TIMEOUT=600
vm_ground sealed-offline
lab_image "$LAB/demo.img" "$LAB_CMDLINE" --unlock both
lab_image "$LAB/alone.img" "$LAB_CMDLINE" --unlock tpm

# The storage key of the VM's TPM, as its owner writes it down once.
storage_key() {
    export TPM2TOOLS_TCTI="swtpm:path=$LAB/sock"
    { tpm2_createprimary -Q -C o -G ecc256:aes128cfb -a 'restricted|decrypt|fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda' -c "$LAB/srk.ctx" &&
        tpm2_evictcontrol -Q -C o -c "$LAB/srk.ctx" 0x81000001 &&
        tpm2_readpublic -Q -c 0x81000001 -f tss -o "$LAB/vm.srk"; } >"$LAB/srk.log" 2>&1
}
vm_check "the TPM's storage key" vm_with_tpm "$LAB/vm/tpm" storage_key

seal() { # NAME OPTION…
    local name=$1
    shift
    cloister image seal "$LAB/$name.img" --key "$LAB/$name.key" --srk "$LAB/vm.srk" --reference "$LAB/$name.ref.json" \
        --reference "$LAB/firmware.ref.json" "$@" >"$LAB/$name.sealed"
}

# Alone: sealed to what was predicted, and nobody is asked.
cp "$LAB/alone.disk.key" "$LAB/alone.key"
vm_check "sealed for the predicted state" seal alone --recovery
vm_check "the first boot of it" lab_boot alone "$LAB/alone.img"
vm_check "was unattended" vm_told alone unattended

# Both: the broker has half of the key, the TPM the other.
cp "$LAB/disk.key" "$LAB/demo.key"
vm_check "sealed as a share" seal demo --form share --share-output "$LAB/demo.disk.key" --disk "$LAB/demo.disk.json"
lab_register demo
vm_check "a boot by both" lab_boot both "$LAB/demo.img"
vm_check "was not unattended" vm_told_not both unattended

lab_end
refused() { ! lab_boot "$@"; }
vm_check "without the broker it is refused" refused no-broker "$LAB/demo.img" --snapshot
vm_end
