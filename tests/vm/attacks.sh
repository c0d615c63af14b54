#!/bin/bash
# The demo's attacks fail, each for its own reason; the image still boots after all of them. Those that identity.sh and host_inputs.sh
# show as well are tried again only by `./check --all`.
# shellcheck source=tests/vm/vm.sh
. "$(dirname "$0")/vm.sh"

vm_begin attacks

lab_keep_copy
vm_check "good boot" vm_boot_to_root second "$LAB/demo.img"
lab_evidence second enter-initrd
while IFS='|' read -r name _ expected words; do
    if [ "$name" = smbios ] && ! lab_stub_reads_smbios; then
        echo "note: not tried: $words: this EFI stub reads no strings from SMBIOS"
        continue
    fi
    case $name in credential | old_root | rolled_back) vm_more "$words" || continue ;; esac
    vm_check "$words" lab_attack "$name" "$expected"
done <<<"$LAB_ATTACKS"

# Two of the attacks are for the guest to refuse: the broker cannot see the disk.
used() { grep -c ' generation raised ' "$LAB/broker.log"; }
vm_check "only the good boot used its disk" test "$(used)" = 1
vm_check "good boot afterwards" vm_boot_to_root third "$LAB/demo.img"
vm_check "which used it too" test "$(used)" = 2
vm_end
