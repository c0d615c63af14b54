#!/bin/bash
# Keys sealed before the first boot, for registers that were only predicted: one image that asks nobody, by a token that systemd reads as well, one
# that needs the TPM's share and the broker's, and one whose states an NV index of the TPM approves of, before an update and after it.
# shellcheck source=tests/vm/vm.sh
. "$(dirname "$0")/vm.sh"
for tool in openssl tpm2_createprimary tpm2_evictcontrol tpm2_readpublic; do
    command -v "$tool" >/dev/null || { echo "SKIP: $tool is missing"; exit 77; }
done

LAB_TIMEOUT=600
vm_ground sealed-offline
lab_image "$LAB/demo.img" "$LAB_CMDLINE" --unlock both
lab_image "$LAB/alone.img" "$LAB_CMDLINE" --unlock tpm

# storage_key FILE: that of the VM's TPM, as its owner writes it down once.
storage_key() {
    export TPM2TOOLS_TCTI="swtpm:path=$LAB/sock"
    { tpm2_createprimary -Q -C o -G ecc256:aes128cfb -a 'restricted|decrypt|fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda' -c "$LAB/srk.ctx" &&
        tpm2_evictcontrol -Q -C o -c "$LAB/srk.ctx" 0x81000001 &&
        tpm2_readpublic -Q -c 0x81000001 -f tss -o "$1" && tpm2_flushcontext -t; } >"$LAB/srk.log" 2>&1
}
vm_check "the TPM's storage key" vm_with_tpm "$LAB/vm/tpm" storage_key "$LAB/vm.srk"
# Its disk has not booted yet, and neither has the TPM that will count its boots.
cp --sparse=always "$LAB/alone.img" "$LAB/index.img"

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

# An index: the disk key is sealed once, and a key of the owner's says, in the TPM, which states get it.
LAB_TPM=$LAB/index.vm/tpm LAB_VARS=$LAB/index.vm/vars.fd
mkdir -p "$LAB/index.vm"
cloister_sim vtpm new "$LAB/platform" "$LAB_TPM"
cp "$LAB/vars.fd" "$LAB_VARS"
openssl genrsa -out "$LAB/nv.key" 2048 2>/dev/null
# shellcheck disable=SC2317 # vm_with_tpm calls it
index() { # make|update NAME OPTION…: for the state that NAME's reference foretells
    cloister nv-policy "$1" "$LAB/nv.json" --key "$LAB/nv.key" --reference "$LAB/$2.ref.json" --reference "$LAB/firmware.ref.json" \
        --srk "$LAB/index.srk" --tpm "swtpm:$LAB/sock" "${@:3}" >>"$LAB/index.log"
}
# shellcheck disable=SC2317
index_seals() {
    storage_key "$LAB/index.srk" && index make alone &&
        cloister seal "$LAB/index.img" --key "$LAB/alone.disk.key" --form own --nv-policy "$LAB/nv.json" --tpm "swtpm:$LAB/sock" --srk "$LAB/index.srk" >"$LAB/index.sealed"
}
vm_check "sealed to an index" vm_with_tpm "$LAB_TPM" index_seals
vm_check "it boots" lab_boot index "$LAB/index.img"
vm_check "unattended" vm_told index unattended

# Another UKI of the same disk, and what it will measure.
root=$(lab_root_offset "$LAB/index.img")
lab_take_uki "$LAB/index.img" "$LAB/first.efi"
cloister uki edit "$LAB/first.efi" --section '.osrel:ID=next' --key "$LAB/keys/db.key" --cert "$LAB/keys/db.crt" --output "$LAB/next.efi" >/dev/null
lab_replace_uki "$LAB/index.img" "$LAB/next.efi" "$LAB/next.img"
cloister measure image "$LAB/next.img" --varstore "$LAB_VARS" --built "$LAB/alone.ref.json" --output "$LAB/next.ref.json" >/dev/null
vm_check "another UKI is refused" refused index-early "$LAB/next.img" --snapshot
vm_check "by the index" vm_says index-early 'the NV index approves of another state'
vm_check "approved of before the reboot" vm_with_tpm "$LAB_TPM" index update next --add --disk "$LAB/next.img"
vm_check "it boots" lab_boot index-next "$LAB/next.img"
vm_check "unattended" vm_told index-next unattended
vm_check "and is kept" vm_with_tpm "$LAB_TPM" index update next --disk "$LAB/next.img"
# Whatever is put back next to it, the header of then among it.
lab_replace_uki "$LAB/next.img" "$LAB/first.efi" "$LAB/old.img"
dd if="$LAB/index.img" of="$LAB/old.img" bs=1M skip="$root" seek="$root" count=16 iflag=skip_bytes oflag=seek_bytes conv=notrunc status=none
vm_check "the UKI of before, with its header, is refused" refused index-old "$LAB/old.img" --snapshot
vm_check "by the index" vm_says index-old 'the NV index approves of another state'
vm_end
