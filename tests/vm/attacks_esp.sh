#!/bin/bash
# What a host can change around a genuine UKI: the firmware's variables, what lies next to the UKI on the ESP, the vTPM. The
# guest starts in most of these, and gets no key: neither from its vTPM, to which the good boot's key was sealed, nor from the broker, which
# is asked next; both name the registers. Each boot is short: it ends with the refusal. The image lets companions of its
# UKI in, so that they are refused by their registers; one that does not is tried last.
# shellcheck source=tests/vm/vm.sh
. "$(dirname "$0")/vm.sh"

LAB_OPEN='--allow-host companions --allow-host cmdline'
vm_ground attacks_esp
lab_image "$LAB/demo.img" "$LAB_CMDLINE" --unlock tpm-or-broker
lab_register demo
vm_check "good boot" vm_boot_to_root second "$LAB/demo.img"
vm_check "its key is sealed to the vTPM" vm_told second enrolled
# The refusals name this boot's registers where they explain a difference.
lab_evidence second enter-initrd

# with_file FILE PATH NAME: a copy of the image, NAME.img, with a file more on its ESP.
with_file() {
    local path=$2 folder image=$LAB/$3.img offset
    cp --sparse=always "$LAB/demo.img" "$image"
    offset=$(lab_esp_offset "$image")
    folder=${path%/*}
    mmd -D s -i "$image@@$offset" "::${folder%/*}" "::$folder" 2>/dev/null || true
    mcopy -o -i "$image@@$offset" "$1" "::$path"
}
# boot_with NAME: the image of with_file, booted.
boot_with() { lab_boot "$1" "$LAB/$1.img" --snapshot; }
uki_extra=/EFI/BOOT/BOOTX64.EFI.extra.d

lab_attack_secure_boot_off() {
    cp /usr/share/OVMF/OVMF_VARS_4M.fd "$LAB/off.fd" && LAB_VARS=$LAB/off.fd lab_boot secure-boot-off "$LAB/demo.img" --snapshot
}
lab_attack_db_changed() {
    cloister secureboot keygen --output "$LAB/hosts-keys" >/dev/null &&
        cloister secureboot enroll --input /usr/share/OVMF/OVMF_VARS_4M.fd --output "$LAB/changed.fd" --pk "$LAB/hosts-keys/PK.crt" \
            --kek "$LAB/hosts-keys/KEK.crt" --db "$LAB/keys/db.crt" --db "$LAB/hosts-keys/db.crt" >/dev/null &&
        LAB_VARS=$LAB/changed.fd lab_boot db-changed "$LAB/demo.img" --snapshot
}
# The owner's key signs add-ons of other products too: the signature alone does not make it this image's.
lab_attack_addon() {
    cloister uki build --addon --stub "$LAB_CACHE/kernel/addon.efi" --cmdline init=/bin/sh --key "$LAB/keys/db.key" \
        --cert "$LAB/keys/db.crt" --output "$LAB/debug.addon.efi" >/dev/null &&
        with_file "$LAB/debug.addon.efi" "$uki_extra/debug.addon.efi" addon && boot_with addon
}
lab_attack_esp_credential() {
    echo 'f /etc/pwned' >"$LAB/tmpfiles.extra.cred" &&
        with_file "$LAB/tmpfiles.extra.cred" "$uki_extra/tmpfiles.extra.cred" esp-credential && boot_with esp-credential
}
lab_attack_global_credential() {
    with_file "$LAB/tmpfiles.extra.cred" /loader/credentials/tmpfiles.extra.cred global-credential && boot_with global-credential
}
lab_attack_esp_sysext() {
    head -c 4096 /dev/zero >"$LAB/evil.sysext.raw" &&
        with_file "$LAB/evil.sysext.raw" "$uki_extra/evil.sysext.raw" esp-sysext && boot_with esp-sysext
}
# The same variables under another build of the firmware.
lab_attack_other_firmware() { lab_boot other-firmware "$LAB/demo.img" --snapshot --firmware /usr/share/OVMF/OVMF_CODE_4M.fd; }
# A software TPM of the host's, which no hardware report speaks of.
lab_attack_hosts_tpm() {
    mkdir -p "$LAB/hosts-tpm" && swtpm_setup --tpm2 --tpmstate "$LAB/hosts-tpm" --createek --overwrite >/dev/null 2>&1 &&
        LAB_TPM=$LAB/hosts-tpm lab_boot hosts-tpm "$LAB/demo.img" --snapshot
}

# The vTPM's own refusal, with the registers; the host's TPM has another key. (Of other firmware the broker tells first that it has no Secure Boot.)
tpm_refused() {
    local log=$LAB/${1//_/-}.log register=$2
    [ "$1" != other_firmware ] || register='PCR 0'
    ! vm_told "${1//_/-}" unattended && case $1 in
        hosts_tpm) grep -aq 'cloister: TPM: token' "$log" ;;
        *) grep -qw "$register" <(grep -a 'cloister: TPM: token .* differ' "$log") ;;
    esac
}
while IFS='|' read -r name expected words; do
    if [ "$name" = addon ] && [ ! -e "$LAB_CACHE/kernel/addon.efi" ]; then
        echo "note: not tried: $words: this release has no stub for add-ons"
        continue
    fi
    case $name in db_changed | esp_credential | global_credential | other_firmware) vm_more "$words" || continue ;; esac
    vm_check "$words" lab_attack "$name" "$expected"
    vm_check "$words: nothing from the vTPM" tpm_refused "$name" "$expected"
done <<'END'
secure_boot_off|PCR 7|Secure Boot is off
db_changed|PCR 7|a certificate of the host's in db
addon|PCR 12|an add-on with a command line, signed by the owner's own key
esp_credential|PCR 12|a credential next to the UKI
global_credential|PCR 12|a credential in the ESP's own folder for them
esp_sysext|PCR 13|a system extension next to the UKI
other_firmware|PCR 7|a build of the firmware without SMM and Secure Boot
hosts_tpm|this machine cannot prove itself|a vTPM that nobody vouches for
END

refused_by_guest() {
    LAB_OPEN='' lab_image "$LAB/closed.img" "$LAB_CMDLINE" --reference "$LAB/closed.ref.json" >/dev/null &&
        cp --sparse=always "$LAB/closed.img" "$LAB/demo.img" && lab_attack esp_credential \
        'file ".extra/credentials/tmpfiles.extra.cred" next to the UKI'
}
vm_check "a credential next to the UKI of an image that lets none in" refused_by_guest

vm_check "only the good boot got the key" test "$(grep -c ' release released ' "$LAB/broker.log")" = 1
vm_end
