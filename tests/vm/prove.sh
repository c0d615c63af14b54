#!/bin/bash
# Before an image is shipped: the sealed image opens as it is and with the next UKI, and not with the old one; and where an old UKI
# would still open it, the proof says so. The image stays as it is, byte for byte.
# shellcheck source=tests/vm/vm.sh
. "$(dirname "$0")/vm.sh"

LAB_TIMEOUT=600
vm_ground prove
openssl genrsa -out "$LAB/pcr.key" 2048 2>/dev/null
openssl rsa -in "$LAB/pcr.key" -pubout -out "$LAB/pcr.pub" 2>/dev/null
lab_image "$LAB/demo.img" "$LAB_CMDLINE" --unlock tpm --pcr-key "$LAB/pcr.key"
lab_end # no broker is asked

# other NAME LEVEL: an image of the same owner with another command line, of which only the UKI stays.
other() {
    lab_image "$LAB/$1.img" "$LAB_CMDLINE loglevel=$2" --unlock tpm --pcr-key "$LAB/pcr.key" >/dev/null &&
        lab_take_uki "$LAB/$1.img" "$LAB/$1.efi" && rm -f "$LAB/$1.img"
}
vm_check "the next UKI" other next 5
vm_check "the old UKI" other old 3
sha256sum "$LAB/demo.img" >"$LAB/before"
mkdir -p "$LAB/consoles"

# prove NAME [OPTION]…: leaves NAME.json
prove() {
    local name=$1
    shift
    cloister image seal "$LAB/demo.img" --key "$LAB/disk.key" --reference "$LAB/demo.ref.json" --reference "$LAB/firmware.ref.json" \
        --varstore "$LAB/vm/vars.fd" --consoles "$LAB/consoles" --old-uki "$LAB/old.efi" --json --prove "$@" >"$LAB/$name.json"
}
as_told() { jq -e --argjson answers "$2" '[.states[] | .opens] == $answers' "$1" >/dev/null; }

vm_check "by value: proved" prove by-value --reference "$LAB/next.ref.json" --next-uki "$LAB/next.efi"
vm_check "yes, yes, no" as_told "$LAB/by-value.json" '["yes", "yes", "no"]'
vm_check "the registers are named" grep -q 'PCR 4, PCR 11 differ' "$LAB/by-value.json"
# The owner signed the old one as well, so that it opens what is sealed by signature.
not_proved() {
    local status=0
    prove signed --pcrs 0,2,7,12,13,15 --signed-pcrs 11 --policy-key "$LAB/pcr.pub" || status=$?
    [ "$status" = 1 ]
}
vm_check "by signature: not proved" not_proved
vm_check "yes, and yes to the old one" as_told "$LAB/signed.json" '["yes", "yes"]'
vm_check "the image is as it was" sha256sum --quiet -c "$LAB/before"
vm_end
