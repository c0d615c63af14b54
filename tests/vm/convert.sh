#!/bin/bash
# A Debian disk as its cloud images are (GRUB, /boot and ESP of their own, fstab by UUID, qcow2), converted by one command: boots
# by attestation to multi-user, twice, with every predicted register; nothing of it is in the clear.
# shellcheck source=tests/vm/vm.sh
. "$(dirname "$0")/vm.sh"

for tool in qemu-img mmdebstrap sfdisk; do
    PATH=$PATH:/usr/sbin:/sbin command -v $tool >/dev/null || { echo "SKIP: $tool is not installed" && exit 77; }
done
lab_fetch_cloud_root || { echo "SKIP: no Debian with a kernel can be fetched" && exit 77; }

lab_begin build/lab/test-convert
lab_keys
lab_broker_start
lab_cloud_disk "$LAB/cloud.qcow2"
convert() {
    cloister image convert "$LAB/cloud.qcow2" "$LAB/demo.img" --allow-host report --name demo --disk-key-output "$LAB/disk.key" \
        --seed "$(cat "$LAB/seed")" --stub "$LAB_CACHE/kernel/stub.efi" --init "$LAB_BUILD/guest/cloister-init" \
        --key "$LAB/keys/db.key" --cert "$LAB/keys/db.crt" --varstore "$LAB/vars.fd" --broker "https://10.0.2.2:$LAB_PORT" \
        --broker-key "$LAB/broker.pem" --retry-seconds 20
}
vm_check "one command" convert
lab_calibrate
lab_register demo

nothing_failed() { ! grep -E 'emergency mode|Failed to start|Dependency failed|Timed out waiting' "$LAB/$1.log"; }
for boot in first second; do
    vm_check "$boot boot" lab_boot "$boot" "$LAB/demo.img"
    vm_check "$boot boot: no unit fails" nothing_failed "$boot"
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
vm_end
