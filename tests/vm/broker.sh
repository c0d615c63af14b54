#!/bin/bash
# The guest without its broker: it tries again, and gives up with a reason; a broker that comes up meanwhile (killed
# before with SIGKILL) is found; one with another key is not trusted. And two machines that are one: a copy of disk and
# vTPM is told from a machine that was started again.
# shellcheck source=tests/vm/vm.sh
. "$(dirname "$0")/vm.sh"

vm_begin broker

kill -KILL "$LAB_BROKER_PID"
wait "$LAB_BROKER_PID" 2>/dev/null || true

gives_up() {
    local reason status=0
    reason=$(lab_boot nobody "$LAB/demo.img" --snapshot) || status=$?
    echo "$reason"
    [ "$status" = 1 ] && grep -q 'gave up after 20 s' <<<"$reason" &&
        grep -q 'trying again in' "$LAB/nobody.log"
}
vm_check "nobody answers: tries again, then gives up and says so" gives_up

comes_late() {
    local status=0
    vm_boot_to_root late "$LAB/demo.img" --snapshot &
    local boot=$!
    while ! grep -qs 'trying again in' "$LAB/late.log"; do
        kill -0 "$boot" 2>/dev/null || break
        sleep 0.2
    done
    lab_broker_start || status=$?
    wait "$boot" || status=$?
    return "$status"
}
vm_check "a broker that was killed and comes back is found, with its key" comes_late

# The generation of the disk is forgotten each time, so that it is not what refuses here.
cp --sparse=always "$LAB/demo.img" "$LAB/copy.img"
cp -a "$LAB/vm/tpm" "$LAB/copy-tpm"
starts_again() {
    lab_register demo >/dev/null && vm_boot_to_root "$1" "$LAB/demo.img" --snapshot
}
vm_check "the machine is started again at once, and gets its key" starts_again again
is_a_copy() {
    local reason status=0
    lab_register demo >/dev/null
    reason=$(LAB_TPM=$LAB/copy-tpm lab_boot "$1" "$LAB/copy.img" --snapshot) || status=$?
    echo "$reason"
    [ "$status" = 1 ] && grep -q 'was released to this boot before' <<<"$reason"
}
vm_check "a copy of its disk and vTPM gets none" is_a_copy copy
if vm_more "the machine and its copy are started again"; then
    vm_check "nor does the copy when it is started again, once the machine has been, too" \
        eval 'starts_again third && is_a_copy copy-again'
fi
vm_check "the broker names who holds the key" \
    test "$(cloister key lease --state "$LAB/broker" default/disk/demo --json | jq -r '.holders | length')" = 1
vm_check "and says which boot got it" grep -q ' release released .* boot [0-9a-f]' "$LAB/broker.log"

lab_end
wait
mv "$LAB/broker" "$LAB/broker.first"
lab_broker_start
lab_register demo
is_a_stranger() {
    local reason status=0
    reason=$(lab_boot stranger "$LAB/demo.img" --snapshot) || status=$?
    echo "$reason"
    [ "$status" = 1 ] && grep -q 'another public key than the one that is pinned' <<<"$reason"
}
vm_check "a stranger at the broker's address is not trusted" is_a_stranger
vm_check "and gets to see no evidence" test "$(grep -c attest "$LAB/broker.log")" = 0
vm_end
