#!/bin/bash
# What a host hands in besides the disk is refused by the guest, by name, before the broker is asked; a table rewritten after
# the firmware measured it, too; and where an image lets something in, the command line still keeps systemd from taking it.
# Two roots: this release's systemd, and the newest that the mirror has.
# shellcheck source=tests/vm/vm.sh
. "$(dirname "$0")/vm.sh"

# doors_image NAME [OPTION]…: an image of $LAB_ROOT, whose key the broker knows as default/disk/NAME.
doors_image() {
    local name=$1
    shift
    lab_image "$LAB/$name.img" "$LAB_CMDLINE" --resource "default/disk/$name" --reference "$LAB/$name.ref.json" "$@" &&
        jq --slurpfile said "$LAB/$name.ref.json" '.host_inputs = $said[0].host_inputs' "$LAB/policy.json" >"$LAB/$name.policy.json" &&
        cloister key put --state "$LAB/broker" "default/disk/$name" "$LAB/$name.disk.key" --policy "$LAB/$name.policy.json" \
            --disk "$LAB/$name.disk.json" --reference "$LAB/$name.ref.json" --reference "$LAB/firmware.ref.json"
}

# refused NAME IMAGE WORDS [OPTION]…: the boot ends with the guest's refusal, in these words.
refused() {
    local name=$1 image=$2 words=$3 status=0 reason
    shift 3
    reason=$(lab_boot "$name" "$image" "$@" 2>&1) || status=$?
    tail -n 1 <<<"$reason"
    [ "$status" = 1 ] && grep -qF -- "$words" <<<"$reason"
}

tmpfiles='w /dev/ttyS0 - - - - BY-THE-HOST\n'
smbios_credential() {
    printf 'io.systemd.credential.binary:tmpfiles.extra=%s' "$(printf '%s\n' "$tmpfiles" | base64 -w0)"
}
# rewrite NAME ROOT TYPE KIND: the table gets one more partition once the firmware has measured it, before the kernel reads it.
rewrite() {
    local name=$1 image=$2 type=$3 kind=$4 boot status=0
    rm -f "$LAB/$name.img" "$LAB/$name.log"
    cp --sparse=always "$image" "$LAB/$name.img"
    truncate -s +34M "$LAB/$name.img"
    refused "$name" "$LAB/$name.img" "differs from what the firmware measured: partition 3, $kind \"$kind\", was added" &
    boot=$!
    while kill -0 "$boot" 2>/dev/null && ! grep -aqs 'starting Boot' "$LAB/$name.log"; do sleep 0.05; done
    cloister_sim add-partition "$LAB/$name.img" "$type" "$kind" 32 || return
    wait "$boot" || status=$?
    rm -f "$LAB/$name.img"
    return "$status"
}

variable() {
    cp "$LAB/vm/vars.fd" "$LAB/variable.fd"
    cloister_sim set-variable "$LAB/variable.fd" SystemdOptions 8cf2644b-4b0b-428f-9387-6d876050dc67 systemd.unit=rescue.target
    LAB_VARS=$LAB/variable.fd refused variable "$LAB/demo.img" 'EFI variable "SystemdOptions"' --snapshot
}

agent_port() {
    refused agent "$LAB/demo.img" 'virtio port "org.qemu.guest_agent.0"' --snapshot --qemu -chardev --qemu null,id=agent \
        --qemu -device --qemu virtserialport,chardev=agent,name=org.qemu.guest_agent.0
}

cidata() {
    truncate -s 4M "$LAB/cidata.img"
    PATH=$PATH:/usr/sbin:/sbin mkfs.vfat -n CIDATA "$LAB/cidata.img" >/dev/null
    refused cidata "$LAB/demo.img" "cloud-init's data source \"cidata\"" --snapshot \
        --qemu -drive --qemu "if=none,id=seed,format=raw,file=$LAB/cidata.img" --qemu -device --qemu virtio-blk-pci,drive=seed
}

# ignored NAME IMAGE: an image that lets credentials in, but names none: systemd does not take them.
ignored() {
    lab_boot "$1" "$2" --snapshot --smbios-type11 "$(smbios_credential)" --qemu -fw_cfg --qemu "$fw_cfg_credential" &&
        ! grep -aq BY-THE-HOST "$LAB/$1.log"
}
taken() {
    lab_boot "$1" "$2" --snapshot --smbios-type11 "$(smbios_credential)" --until BY-THE-HOST
}
reads_smbios() { lab_stub_reads_smbios || { echo "note: not tried: this EFI stub reads no strings from SMBIOS"; return 1; }; }

vm_begin host-inputs
printf '%s\n' "$tmpfiles" >"$LAB/tmpfiles.conf"
fw_cfg_credential="name=opt/io.systemd.credentials/tmpfiles.extra,file=$LAB/tmpfiles.conf"
swap=0657fd6d-a4ab-43c4-84e5-0933c84b4f4f home=933ac7e1-2eb4-4f13-b844-0e14e2aef915

vm_check "a credential in SMBIOS is refused by the guest" refused smbios "$LAB/demo.img" \
    'credential "tmpfiles.extra" in SMBIOS' --snapshot --smbios-type11 "$(smbios_credential)"
vm_check "systemd's options in an EFI variable" variable
if vm_more "the same in fw_cfg, a port, a drive"; then
    vm_check "a credential in fw_cfg" refused fw-cfg "$LAB/demo.img" 'credential "tmpfiles.extra" in fw_cfg' --snapshot \
        --qemu -fw_cfg --qemu "$fw_cfg_credential"
    vm_check "a guest agent's port" agent_port
    vm_check "a drive for cloud-init" cidata
fi
vm_check "a swap partition that the firmware did not measure" rewrite swap "$LAB/demo.img" "$swap" swap
vm_check "nobody asked the broker" test "$(grep -c ' attest ' "$LAB/broker.log")" = 0

open=(--allow-host cmdline --allow-host smbios-string:io.systemd. --allow-host fw-cfg:opt/io.systemd.)
vm_check "an image that lets the host in" doors_image open "${open[@]}"
vm_check "the reference values say so" test "$(jq -c .host_inputs "$LAB/open.ref.json")" = \
    '["report","cmdline","smbios-string:io.systemd.","fw-cfg:opt/io.systemd."]'
if reads_smbios; then
    vm_check "the broker refuses a command line that the guest let in" refused open-cmdline "$LAB/open.img" \
        'PCR 12: unexpected event: EV_IPL "init=/bin/sh"' --snapshot \
        --smbios-type11 io.systemd.stub.kernel-cmdline-extra=init=/bin/sh
fi
! vm_more "systemd, where an image lets all in" ||
    vm_check "systemd takes no credential, though the guest let it pass" ignored open "$LAB/open.img"
rm -f "$LAB/open.img"

if ! vm_more "the newest systemd"; then
    :
elif lab_fetch_new_root; then
    LAB_ROOT=$LAB_CACHE/root-new.ext4
    vm_check "new root: image" doors_image new "${open[@]}"
    vm_check "new root: systemd takes no credential, though the guest let it pass" ignored new "$LAB/new.img"
    vm_check "new root: a home partition that the firmware did not measure" rewrite home "$LAB/new.img" "$home" home
    rm -f "$LAB/new.img"
    vm_check "new root: image that takes a credential" doors_image named --allow-host smbios-credential:tmpfiles.extra
    vm_check "new root: the one that the image names is taken" taken named "$LAB/named.img"
    vm_check "and another is not" refused other "$LAB/named.img" 'credential "passwd.hashed-password.root" in SMBIOS' --snapshot \
        --smbios-type11 io.systemd.credential:passwd.hashed-password.root=x
else
    echo "note: not tried: a second root could not be fetched"
fi
vm_end
