#!/bin/bash
# dracut's module for an initrd that opens a disk as /etc/cloister/guest.json says: by the broker, through libcryptsetup's plug-in, or
# by systemd's token for a TPM. See initrd.md in the documentation.
# shellcheck disable=SC2154 # dracut's variables

libexec=@libexec@

# Only where an administrator has said which broker, or that it is the TPM.
check() {
    require_binaries "$libexec/cloister-initrd" || return 1
    [[ -e $dracutsysrootdir/etc/cloister/guest.json ]] || return 255
}

depends() {
    echo systemd systemd-initrd crypt
}

# The drivers of confidential machines, whatever machine this is made on.
installkernel() {
    hostonly='' instmods virtio_net hv_netvsc ena gve af_packet virtio_pci virtio_blk virtio_scsi hv_storvsc nvme sd_mod \
        '=drivers/char/tpm' '=drivers/virt/coco' efivarfs configfs vmw_vsock_virtio_transport dm_crypt xts aesni_intel cbc hmac sha256 sha512
}

# What opens the disk: one type of token in a line. A guest.json that the guest would refuse ends here.
cloister_tokens() {
    "$dracutsysrootdir$libexec/cloister-initrd" tokens "$dracutsysrootdir/etc/cloister/guest.json"
}

# A plug-in that cannot be loaded is an initrd that does not start.
check_libraries() {
    local file
    for file in "$@"; do
        [[ -e $file ]] || continue
        ! grep -q 'not found' <(ldd "$file") || { dfatal "cloister: $file: a library is missing"; exit 1; }
    done
}

install_plug_ins() {
    local tokens=$1
    # Another maker's plug-in may open a disk of the host's: those that are not asked for stay out.
    find "$initdir" -name 'libcryptsetup-token-*.so' -delete
    if [[ $tokens == *cloister* ]]; then
        inst_libdir_file 'cryptsetup/libcryptsetup-token-cloister.so' 'libtss2-tcti-device.so*'
    fi
    if [[ $tokens == *systemd-tpm2* ]]; then
        inst_libdir_file 'cryptsetup/libcryptsetup-token-systemd-tpm2.so' 'libtss2-esys.so*' 'libtss2-rc.so*' 'libtss2-mu.so*' \
            'libtss2-tcti-device.so*'
        inst_multiple -o "$udevrulesdir"/60-tpm-udev.rules "$sysusers"/tpm2-tss.conf
    fi
}

# Lines of crypttab that say x-initrd.attach, but for those that dracut has taken already.
install_crypttab() {
    local name rest
    [[ -r $dracutsysrootdir/etc/crypttab ]] || return 0
    while read -r name rest; do
        [[ $name != \#* && $rest == *x-initrd.attach* ]] || continue
        grep -qs "^$name " "$initdir/etc/crypttab" || echo "$name $rest" >>"$initdir/etc/crypttab"
    done <"$dracutsysrootdir/etc/crypttab"
}

# Without headless=true a passphrase is asked for on the console, which is the host's, as is the disk that it opens then; a key file in
# an initrd is known to the host as well.
check_crypttab() {
    local name device key options
    [[ -r $initdir/etc/crypttab ]] || return 0
    while read -r name device key options || [[ -n $name ]]; do
        [[ -n $name && $name != \#* ]] || continue
        [[ $key == /dev/urandom || ($key =~ ^(none|-)$ && ,$options, =~ ,headless(=(1|yes|true|on))?,) ]] || {
            dfatal "cloister: /etc/crypttab: $name ($device): expected no key file, and headless=true"
            exit 1
        }
    done <"$initdir/etc/crypttab"
}

# Each starts another system than the disk's: one that sleeps in a swap partition, which may be the host's, and is found by the command
# line or a firmware variable; or a root that is found by its partition's type.
remove_other_starts() {
    find "$initdir" \( -name 'systemd-hibernate-resume*' -o -name systemd-gpt-auto-generator -o -name '*resume.sh' -o \
        -name 95resume.conf \) -delete
}

# Without Secure Boot systemd takes words for its command line from a firmware variable, which is the host's, and units from credentials,
# before anything of ours runs: no shell, and nothing that starts, masks or fetches what such a word names.
remove_orders() {
    find "$initdir" \( -name systemd-debug-generator -o -name systemd-run-generator -o -name systemd-import-generator -o \
        -name debug-shell.service \) -delete
}

install_units() {
    local unit folder
    for unit in cloister-initrd.service cloister-initrd-end.service; do
        inst_simple "$moddir/$unit" "$systemdsystemunitdir/$unit"
        $SYSTEMCTL -q --root "$initdir" add-requires initrd.target "$unit"
    done
    inst_simple "$moddir/cryptsetup.conf" '/etc/systemd/system/systemd-cryptsetup@.service.d/cloister.conf'
    for folder in emergency rescue dracut-emergency; do
        inst_simple "$moddir/emergency.conf" "/etc/systemd/system/$folder.service.d/cloister.conf"
    done
    # It measures the same words.
    mkdir -p "$initdir/etc/systemd/system"
    ln -sf /dev/null "$initdir/etc/systemd/system/systemd-pcrphase-initrd.service"
}

install() {
    local tokens
    tokens=$(cloister_tokens) || { dfatal "cloister: /etc/cloister/guest.json does not say how to open a disk"; exit 1; }
    inst_simple /etc/cloister/guest.json
    inst_binary "$libexec/cloister-initrd"
    install_plug_ins "$tokens"
    check_libraries "$dracutsysrootdir$libexec/cloister-initrd" "$initdir"/usr/lib*/cryptsetup/*.so "$initdir"/usr/lib/*/cryptsetup/*.so
    install_crypttab
    check_crypttab
    remove_other_starts
    remove_orders
    install_units
    mkdir -p "$initdir/etc/cmdline.d"
    echo 'rd.shell=0 rd.emergency=poweroff' >"$initdir/etc/cmdline.d/99cloister.conf"
}
