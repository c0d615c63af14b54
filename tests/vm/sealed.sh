#!/bin/bash
# First boot by attestation, then unattended: what the broker releases once is sealed to the vTPM, and the next boots ask
# nobody. In another state the TPM gives nothing, and the guest says which registers differ.
# shellcheck source=tests/vm/vm.sh
. "$(dirname "$0")/vm.sh"

LAB_TIMEOUT=600 # several boots on a busy machine
vm_ground sealed
lab_image "$LAB/demo.img" "$LAB_CMDLINE" --unlock tpm-or-broker
lab_register demo

vm_check "first boot, by the broker" vm_boot_to_root first "$LAB/demo.img"
vm_check "what was released is sealed" vm_told first enrolled
vm_check "it was not unattended" vm_told_not first unattended

lab_end # the broker is gone
for boot in second third; do
    [ "$boot" = second ] || vm_more "a $boot boot by the TPM" || continue
    vm_check "$boot boot, with the broker stopped" vm_boot_to_root "$boot" "$LAB/demo.img"
    vm_check "$boot boot was unattended" vm_told "$boot" unattended
done

# Another command line in a UKI that the owner signed: firmware starts it, and the TPM gives nothing.
refused() { ! lab_boot "$@"; }
LAB_OPEN="--unlock tpm-or-broker" lab_other_cmdline
vm_check "another command line is refused" refused other-cmdline "$LAB/other-cmdline.img" --snapshot
vm_check "and the registers are named" grep -q 'PCR 4, PCR 11 differ' "$LAB/other-cmdline.log"
vm_check "it was not unattended" vm_told_not other-cmdline unattended

# The TPM of another machine.
cloister_sim vtpm new "$LAB/platform" "$LAB/other-tpm" >/dev/null
LAB_TPM=$LAB/other-tpm
vm_check "another TPM is refused" refused other-tpm "$LAB/demo.img" --snapshot
vm_check "and said to be another" grep -q 'TPM: token 1*[0-9]: .*\(another TPM\|no such object\|another one\)' "$LAB/other-tpm.log"
unset LAB_TPM

# Back in the state that it was sealed for.
lab_broker_start
vm_check "back in its own state it opens" vm_boot_to_root fourth "$LAB/demo.img"
vm_check "without the broker" vm_told fourth unattended

# The disk key is nowhere that the host looks.
key_is_nowhere() {
    local hex
    hex=$(od -An -v -tx1 "$LAB/disk.key" | tr -d ' \n')
    ! grep -qF -e "${hex:0:32}" "$LAB"/*.jsonl "$LAB"/*.log
}
vm_check "the disk key is in no log" key_is_nowhere
vm_end
