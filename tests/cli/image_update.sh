#!/bin/bash
# An image that gets another UKI from outside: foretold, sealed for, exchanged on the ESP; back again; tried once. What must be refused before
# anything is changed. A software TPM says whether the disk opens in the state that each UKI leads to.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
# shellcheck source=tests/cli/image_update_lib.sh
. "$(dirname "$0")/image_update_lib.sh"
init=$(type -P true) # nothing of it runs here
cd "$work" || exit 4
PATH=$PATH:/sbin:/usr/sbin
skip_without swtpm tpm2_pcrextend tpm2_readpublic mke2fs mkfs.vfat fsck.fat mcopy jq openssl sfdisk qemu-img
trap 'tpm_end; rm -rf "$work"' EXIT
make_sealed_image
image_uki demo.img one.efi

# Refused before anything is changed.
sha256sum demo.img >before
expect "nothing to install" 2 "one of --uki" update
expect "two ways at once" 2 "one of --uki" update --uki two.efi --request request.efi
expect "a kernel without its modules" 2 "--kernel and --modules" update --kernel vmlinuz --key keys/db.key --cert keys/db.crt
expect "two things at once" 2 "each stand alone" update --keep --back
expect "firmware's values without a storage key" 2 "go with --srk" update --uki two.efi --reference firmware.ref.json
expect "a trial that leaves no way back" 2 "--try-once and --replace" update --uki two.efi --srk srk --replace --try-once vm.fd
expect "another key" 1 "opens no key slot" "$cloister" image update demo.img --disk-key other.key --varstore vars.fd --uki two.efi
expect "not signed" 1 "firmware would refuse it" update --uki unsigned.efi
expect "signed by another key" 1 "firmware would refuse it" update --uki stranger.efi
expect "tokens that do not open it any more" 1 "none of its 1 tokens opens it in the new state" update --uki two.efi
expect "no firmware's values" 1 "no reference has a value of PCR 0" update --uki two.efi --srk srk
expect "nothing to go back to" 1 "no UKI of before" update_alone --back
expect "nothing to keep" 4 "nothing was placed" update_alone --keep
head -c 70000000 /dev/zero >huge
make_uki large --initrd huge --key keys/db.key --cert keys/db.crt
expect "no room" 1 "KiB are free" update --uki large.efi --srk srk --reference firmware.ref.json
rm huge large.efi
qemu-img convert -f raw -O qcow2 demo.img demo.qcow2
expect "a container" 3 "is qcow2, and only a raw image is changed" "$cloister" image update demo.qcow2 --disk-key disk.key --varstore vars.fd --uki two.efi
expect "no image" 3 "" "$cloister" image update vmlinuz --disk-key disk.key --varstore vars.fd --uki two.efi
(
    flock 9
    expect "another run" 1 "in use by another run" update --uki two.efi --srk srk --reference firmware.ref.json
    exit "$failed"
) 9<demo.img || failed=1
expect "nothing vouches for the UKI in it" 1 "has no Secure Boot keys" "$cloister" image update demo.img --disk-key disk.key --varstore "$varstore" \
    --kernel two.vmlinuz --modules "$modules" --stub "$stub" --init "$init" --key keys/db.key --cert keys/db.crt
cp --sparse=always demo.img hostile.img
mcopy -o -i hostile.img@@1M unsigned.efi ::/EFI/BOOT/BOOTX64.EFI
expect "an image whose UKI was exchanged" 1 "the present UKI: PCR 7: UKI: not signed by a key" "$cloister" image update hostile.img --disk-key disk.key --varstore vars.fd \
    --kernel two.vmlinuz --modules "$modules" --stub "$stub" --init "$init" --key keys/db.key --cert keys/db.crt --srk srk --reference firmware.ref.json
rm hostile.img
sha256sum demo.img | cmp -s - before || fail "what was refused has changed the image"
rm -f demo.next.ref.json

# The UKI that is made here is of the image's own command line and guest.json, and of the other kernel; or signed elsewhere.
make=(--kernel two.vmlinuz --modules "$modules" --stub "$stub" --init "$init")
expect "a request" 0 "to be signed" update "${make[@]}" --request request.efi
sha256sum demo.img | cmp -s - before || fail "a request has changed the image"
for section in .cmdline .osrel; do
    "$cloister" uki inspect one.efi --extract $section:old >/dev/null || fail "extract"
    "$cloister" uki inspect request.efi --extract $section:new >/dev/null || fail "extract"
    cmp -s old new || fail "another $section: $(cat new)"
done
"$cloister" uki sign request.efi --key keys/db.key --cert keys/db.crt --output signed.efi >/dev/null
expect "installed" 0 "installed" update "${make[@]}" --key keys/db.key --cert keys/db.crt --srk srk --reference firmware.ref.json
image_uki demo.img now.efi
cmp -s signed.efi now.efi || fail "a key and a request make two UKIs"
is_whole "installed"
mcopy -n -i demo.img@@1M ::/EFI/CLOISTER/PREVIOUS.EFI previous.efi
cmp -s previous.efi one.efi || fail "the UKI of before is not kept"
opens now.efi || fail "the new state: $(cat opens.log)"
opens one.efi || fail "the state of before: $(cat opens.log)"
"$cloister" measure image demo.img --varstore vars.fd --json | jq -S '.pcrs.sha256 | {"4", "5", "7", "9", "11", "12"}' >measured
jq -S '.pcrs.sha256 | {"4", "5", "7", "9", "11", "12"}' demo.next.ref.json | cmp -s measured - || fail "the reference is not what a boot measures"
jq -e '.pcrs.sha256["15"]' demo.next.ref.json >/dev/null || fail "PCR 15 is missing"
expect "once more" 0 "up to date" update --uki signed.efi
expect "as JSON" 0 '"state": "up to date"' update --uki signed.efi --json

# Back, and forward again: the same bytes, no clusters lost.
expect "back" 0 "the UKI of before boots" update_alone --back
image_uki demo.img now.efi
cmp -s now.efi one.efi || fail "back is another UKI"
is_whole "back"
expect "forward" 0 "the UKI of before boots" update_alone --back
image_uki demo.img now.efi
cmp -s now.efi signed.efi || fail "forward is another UKI"
expect "forgotten" 0 "the present UKI alone" update_alone --forget
is_whole "forgotten"
expect "and gone" 1 "no UKI of before" update_alone --back

# A further one, after which the tokens of before are gone.
expect "replaced" 0 "installed" update --uki two.efi --srk srk --reference firmware.ref.json --replace
is_whole "replaced"
opens two.efi || fail "the new state: $(cat opens.log)"
! opens signed.efi || fail "the state of before opens the disk after --replace"
grep -q "PCR 4, PCR 11 differ" opens.log || fail "the registers are not named: $(cat opens.log)"

# Tried once: the usual name stays, the variable store says which one is next; then kept.
cp vars.fd vm.fd
expect "to be tried" 0 "once, then the one of before" update --uki signed.efi --srk srk --reference firmware.ref.json --try-once vm.fd
image_uki demo.img now.efi
cmp -s now.efi two.efi || fail "what is tried has the usual name"
"$cloister" secureboot show vm.fd >shown 2>&1 || true
cmp -s vm.fd vars.fd && fail "the variable store is as before"
opens two.efi || fail "the one of before, while the other is tried: $(cat opens.log)"
opens signed.efi || fail "what is tried: $(cat opens.log)"
expect "kept" 0 "boots from now on" update_alone --keep
image_uki demo.img now.efi
cmp -s now.efi signed.efi || fail "what was kept does not boot"
is_whole "kept"

# A signed policy, which the new UKI carries a signature for, needs no sealing where nothing else moves.
make_rsa_key pcr
make_rsa_key stranger
"$cloister" seal demo.img --key disk.key --tpm "swtpm:$work/sock" --signed-pcrs 11 --policy-key pcr.pub --pcrs 0,2,7,12,13,15 --replace >/dev/null || fail "seal: signed"
expect "no signature" 1 "has to carry the policies' signature" update --uki two.efi
expect "another key's signature" 1 "has to carry the policies' signature" update "${make[@]}" --key keys/db.key --cert keys/db.crt --pcr-key stranger.key
expect "a signature" 0 "1 of 1 tokens open" update "${make[@]}" --key keys/db.key --cert keys/db.crt --pcr-key pcr.key
is_whole "signed"
exit "$failed"
