#!/bin/bash
# Debian's root under initrds that are not ours: dracut's (systemd-cryptsetup) and initramfs-tools' (cryptsetup open), each opening the
# disk by the broker and by a key sealed to the TPM for systemd's token; and each refused, by the broker and by the TPM: one line, and
# the machine is off, without a shell.
# shellcheck source=tests/vm/vm.sh
. "$(dirname "$0")/vm.sh"
# shellcheck source=tests/vm/initrds_lib.sh
. tests/vm/initrds_lib.sh

[ "$(id -u)" = 0 ] || { echo "SKIP: chroot wants root" && exit 77; }
for tool in cryptsetup dd unshare mmdebstrap; do
    command -v "$tool" >/dev/null || { echo "SKIP: $tool is not installed" && exit 77; }
done
why=$(initrds_fetch 2>&1) || { echo "SKIP: $why" && exit 77; }
LAB_TIMEOUT=900 # several boots on a busy machine
lab_begin build/lab/test-initrds
initrds_begin
lab_calibrate >/dev/null
initrds_both broker

by_broker() { initrds_register "$1" >/dev/null 2>&1 && lab_boot "$1" "$LAB/$1.img" --snapshot --until "$INITRDS_UNTIL"; }
by_tpm() { lab_boot "$1" "$LAB/$1.img" --snapshot --until "$INITRDS_UNTIL"; }
# What the machine said of itself, once its root ran: after what systemd clears its own line with, perhaps.
root_runs() { grep -aq 'at-boot: root /dev/mapper/root' "$LAB/$1.log"; }
# Another command line than the terms say, in a UKI that the owner signed.
refused() { ! lab_boot "$@" --snapshot; }
# says NAME WORDS: in one line of ours; and the machine went down by itself, with no shell.
says() { grep -a -q "cloister: .*$2" "$LAB/$1.log" && grep -aq 'reboot: Power down' "$LAB/$1.log" && ! grep -aqE '\(initramfs\)|emergency mode|# $' "$LAB/$1.log"; }

the_broker() {
    for tool in dracut tools; do
        vm_check "$tool: opened by the broker" by_broker "$tool-broker"
        vm_check "$tool: its root runs" root_runs "$tool-broker"
        initrds_disk "$tool-broker-other" "$LAB/$tool-broker.initrd" "$INITRDS_CMDLINE systemd.unit=rescue.target"
        vm_check "$tool: another command line is refused by the broker" refused "$tool-broker-other" "$LAB/$tool-broker-other.img"
        vm_check "$tool: and it says why" says "$tool-broker-other" 'PCR 11: section .cmdline differs'
        rm -f "$LAB/$tool-broker-other.img" "$LAB/$tool-broker.img"
    done
}

# With nobody to ask: these initrds have no plug-in for a broker.
the_tpm() {
    for tool in tools dracut; do
        initrds_machine vm-tpm
        vm_check "$tool: sealed, for systemd's token" initrds_seal "$tool-tpm"
        vm_check "$tool: opened by the TPM" by_tpm "$tool-tpm"
        vm_check "$tool: its root runs" root_runs "$tool-tpm"
        cp --sparse=always "$LAB/$tool-tpm.img" "$LAB/sealed.img"
        initrds_disk "$tool-tpm-other" "$LAB/$tool-tpm.initrd" "$INITRDS_CMDLINE systemd.unit=rescue.target" "$LAB/sealed.img"
        vm_check "$tool: another command line is refused by the TPM" refused "$tool-tpm-other" "$LAB/$tool-tpm-other.img"
        vm_check "$tool: and it says so" says "$tool-tpm-other" 'root was not opened'
        rm -f "$LAB/$tool-tpm-other.img" "$LAB/$tool-tpm.img"
    done
}

# Both at once, as each boot has one processor: each on a machine of its own, one of them in a process that must not end the broker.
(
    trap - EXIT
    initrds_machine vm-broker
    the_broker
    vm_end
) >"$LAB/broker.out" 2>&1 &
asked=$!
initrds_both tpm
the_tpm
asked_status=0
wait "$asked" || asked_status=$?
cat "$LAB/broker.out"
vm_check "all of it by the broker" [ "$asked_status" = 0 ]
grep -a 'at-boot: initrd' "$LAB"/*.log || true

# --- Nothing of the key in what the host sees, nor in an initrd ---
key_is_nowhere() {
    local hex file
    hex=$(od -An -v -tx1 "$LAB/disk.key" | tr -d ' \n')
    for file in "$LAB"/*.log; do ! grep -qF -e "${hex:0:32}" "$file" || return 1; done
    ! grep -rqF -e "${hex:0:32}" "$LAB/tree/etc"
}
vm_check "the disk key is in no log" key_is_nowhere
vm_end
