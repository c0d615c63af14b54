#!/bin/bash
# Two boots of one image, the first as far as multi-user; every predicted register is the measured one in both phases; the evidence
# verifies, and does not with another nonce; nothing secret is on the disk or in what the host got to see.
# shellcheck source=tests/vm/vm.sh
. "$(dirname "$0")/vm.sh"
# shellcheck source=tests/vm/boots_lib.sh
. tests/vm/boots_lib.sh

vm_begin boots

until=multi-user.target
for boot in first second; do
    vm_check "$boot boot" lab_boot "$boot" "$LAB/demo.img" --until "$until"
    until='Welcome to' # both phases are told by then
    boot_shows "$boot"
done
boots_show
vm_check "one nonce, one release: two of each in the audit trail" \
    test "$(grep -c ' release released ' "$LAB/broker.log")" = 2
vm_end
