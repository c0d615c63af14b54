#!/bin/bash
# A Debian disk as its cloud images are (GRUB, /boot and ESP of their own, fstab by UUID), converted in place by one command: boots
# by attestation, twice (to multi-user at first), with every predicted register; nothing of it is in the clear. As a new file, the
# same disk is converted from its qcow2.
# shellcheck source=tests/vm/vm.sh
. "$(dirname "$0")/vm.sh"

for tool in qemu-img mmdebstrap sfdisk; do
    PATH=$PATH:/usr/sbin:/sbin command -v $tool >/dev/null || { echo "SKIP: $tool is not installed" && exit 77; }
done
lab_fetch_cloud_root || { echo "SKIP: no Debian with a kernel can be fetched" && exit 77; }

vm_ground convert
lab_cloud_disk "$LAB/cloud.qcow2"
convert() {
    cloister image convert "$@" --allow-host report --name demo --stub "$LAB_CACHE/kernel/stub.efi" \
        --init "$LAB_BUILD/guest/cloister-init" --key "$LAB/keys/db.key" --cert "$LAB/keys/db.crt" --varstore "$LAB/vars.fd" \
        --broker "https://10.0.2.2:$LAB_PORT" --broker-key "$LAB/broker.pem" --retry-seconds 20
}
qemu-img convert -O raw "$LAB/cloud.qcow2" "$LAB/demo.img"
vm_check "one command" convert "$LAB/demo.img" --in-place --disk-key-output "$LAB/disk.key" --seed "$(cat "$LAB/seed")"
lab_register demo

# Without libtss2, which the smallest Debian leaves out, systemd's own measurements fail; nothing waits for them.
nothing_failed() {
    ! tr -d '\r' <"$LAB/$1.log" | grep -aE 'emergency mode|Failed to start|Dependency failed|Timed out waiting' | grep -v 'systemd-pc'
}
until=multi-user.target
for boot in first second; do
    vm_check "$boot boot" lab_boot "$boot" "$LAB/demo.img" --until "$until"
    [ "$boot" = second ] || vm_check "no unit fails" nothing_failed "$boot"
    until='Welcome to'
    vm_check "$boot boot: registers" lab_compare "$boot" enter-initrd
    vm_check "$boot boot: evidence verifies" lab_verify "$boot" enter-initrd
done
in_the_clear() {
    python3 - "$LAB/demo.img" <<'PY'
import mmap, sys
with open(sys.argv[1], "rb") as image:
    held = mmap.mmap(image.fileno(), 0, access=mmap.ACCESS_READ)
    sys.exit(1 if held.find(b"update-grub") >= 0 or held.find(b"cloister-demo") >= 0 else 0)
PY
}
vm_check "nothing of the root is in the clear" in_the_clear

# A system that gives up after its key was released is a failed boot, told at once.
gives_up() { ! lab_boot emergency "$LAB/emergency.img" >"$LAB/emergency.out" && grep -q 'in emergency mode' "$LAB/emergency.out"; }
if vm_more "one that gives up"; then
    vm_check "one that gives up" convert "$LAB/cloud.qcow2" "$LAB/emergency.img" --cmdline "$LAB_CMDLINE systemd.unit=emergency.target" --accept cmdline.single
    lab_register emergency
    vm_check "its boot is a failure" gives_up
fi
vm_end
